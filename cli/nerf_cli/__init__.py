"""`kubectl nerf`: photos to a cluster, a job to its end, results and pictures back.

What is decided lies in plain functions (`folder`, `manifest`, `telling`, `choosing`); the cluster
is talked to by Kubernetes' Python client, and bytes go through `kubectl exec`, which, other than
that client, holds no more than a few buffers of them in memory.
"""
