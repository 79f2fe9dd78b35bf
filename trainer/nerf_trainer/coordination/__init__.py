"""Who trains together: the coordinator of a job, and how to talk to it.

Standard library only: the coordinator is a small process that imports neither torch nor numpy.
"""
