"""What the operator and the trainer agree on: names, models and the CRD made from them.

Nothing here talks to a cluster, reads a clock or imports torch, so that both sides, the tools
and the tests can import it anywhere.
"""
