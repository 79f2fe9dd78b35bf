"""Pods that someone else has removed: what they told must not be lost with them.

How often their place has failed, and when it may be tried again, stands only there.
"""

from dataclasses import replace

from nerf_operator.core.observed import Pod

#: Namespace and name of a job.
Key = tuple[str, str]


class Losses:
    """The last such pod of each place. Another process does not know them, and begins anew.

    expected: UIDs of pods that we have deleted ourselves, until they are gone.
    """

    def __init__(self) -> None:
        self.expected: set[str] = set()
        self._lost: dict[Key, dict[tuple[str, int | None], Pod]] = {}

    def note(self, job: Key, pod: Pod) -> None:
        """The pod is gone; this is how it was last seen."""
        places = self._lost.setdefault(job, {})
        known = places.get((pod.component, pod.index))
        if known is None or known.attempt < pod.attempt:
            places[pod.component, pod.index] = _as_gone(pod)

    def of(self, job: Key) -> tuple[Pod, ...]:
        """As they ended, or else as if they were still on their way out, on no node any more."""
        return tuple(self._lost.get(job, {}).values())

    def forget(self, job: Key) -> None:
        """The job is gone, or begins anew."""
        self._lost.pop(job, None)


def _as_gone(pod: Pod) -> Pod:
    """A failure is one though its pod is deleted afterwards."""
    if pod.ended and not pod.deleting:
        return replace(pod, gone=True)
    return replace(pod, gone=True, deleting=True, ready=False, node=None)
