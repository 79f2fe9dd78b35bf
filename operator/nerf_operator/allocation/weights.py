"""What a second of a job's progress is worth to the mean completion time.

heSRPT (Berg, Vesilo and Harchol-Balter, Performance Evaluation 144, 2020) gives the optimal shares
of jobs that are all there, and whose speedup with n workers is n^p. With the jobs in falling order
of remaining work over weight, and W_k the sum of the first k weights, job k gets the share
(W_k / W_m)^q - (W_(k-1) / W_m)^q of the servers, q = 1 / (1 - p). These are the shares that
maximise the sum of v_k speedup_k for v_k = (W_k^q - W_(k-1)^q)^(1/q): between the job's own weight
(p = 0) and the weights of all jobs that take no less than it (p = 1, shortest first). We keep the
values, and put each job's own measured speedup in the place of n^p.

heSRPT knows of no later arrivals. To them, GPUs that are used with a low efficiency are lost
whichever job uses them: a constant is added to all values, which evens out the sizes.

Optimus takes the seconds that a worker would save as its value instead, which sends GPUs to the
jobs that are furthest from their end. AFS (Hwang et al., NSDI 2021) compares jobs by pairs, to the
same end as heSRPT.
"""

from collections.abc import Sequence
from typing import Final

#: p: a doubling of workers makes a job 2^p times as fast.
EXPONENT: Final = 0.5
#: What progress of any job is worth to those that have not come yet, in parts of all weights.
FUTURE: Final = 0.5


def values(work: Sequence[float], weights: Sequence[float]) -> list[float]:
    """Of each job's speedup. work: seconds of one worker until its end, > 0; weights: > 0.

    Jobs equal in work over weight are ordered as they are given: the first counts as longest.
    """
    order = sorted(range(len(work)), key=lambda k: -work[k] / weights[k])
    q = 1 / (1 - EXPONENT)
    found = [0.0] * len(work)
    sum_before, power_before = 0.0, 0.0
    scale = 1 / max(sum(weights), 1e-300)
    for k in order:
        sum_before += weights[k] * scale
        power = sum_before**q
        found[k] = (power - power_before) ** (1 / q) + FUTURE
        power_before = power
    return found
