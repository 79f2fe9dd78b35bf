"""Which workers a job has.

The indices of an elastic one may have holes: where it shrinks, those that train go last.
"""

from nerf_contract.v1alpha1 import NeRFJobSpec
from nerf_operator.core.observed import Observed


def choose(spec: NeRFJobSpec, observed: Observed, without: int = 0) -> tuple[int, ...]:
    """Indices of `wanted - without` workers, ascending; 0, the writer, is there if any is."""
    count = spec.workers.wanted
    if not count:
        return ()
    if not spec.workers.elastic:
        return tuple(range(count))
    others = {pod.index for pod in observed.pods if pod.index} | set(range(1, count))
    wanted = count - without - 1
    if len(others) == wanted:  # Nearly always; to rank them would look through all pods for each.
        return (0, *sorted(others))
    ranked = sorted(others, key=lambda index: (_rank(observed, index), index))
    return (0, *sorted(ranked[:wanted]))


def _rank(observed: Observed, index: int) -> int:
    """How dear the worker is to the job; 0 is dearest."""
    pods = observed.workers(index)
    alive = [pod for pod in pods if pod.alive]
    if any(pod.ready for pod in alive) or any(pod.phase == "Succeeded" for pod in pods):
        return 0
    if alive:
        return 1 if alive[-1].node else 2
    if any(not pod.deleting for pod in pods):
        return 3  # It failed, and waits for its next attempt, which must know of the failure.
    return 4 if pods else 5
