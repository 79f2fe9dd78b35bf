"""Recording rules, alerts and dashboards, from the metrics of `nerf_contract.metrics`."""
