"""The cluster as the operator sees and changes it: caches, API calls, probes, the queue."""
