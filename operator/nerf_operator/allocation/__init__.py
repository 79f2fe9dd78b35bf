"""Sharing GPUs among Auto jobs: pure functions of jobs, capacity and time.

`allocate.allocate` is the one to call. `curve` fits rays/s over workers, `weights` says what a
job's progress is worth, `shares` makes the ideal sizes of it, and `moves` goes there from the
present ones as far as that pays.
"""
