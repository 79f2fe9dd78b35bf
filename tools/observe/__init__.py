"""A Prometheus on this machine, and Grafana's dashboards as pictures of what it knows."""
