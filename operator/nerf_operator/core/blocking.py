"""What keeps children from being made, until a person has done something."""

from nerf_contract import reasons
from nerf_contract.v1alpha1 import NeRFJobSpec
from nerf_operator.core import claims
from nerf_operator.core.observed import Job, Observed
from nerf_operator.core.waiting import Waiting


def find(job: Job, spec: NeRFJobSpec, observed: Observed) -> Waiting | None:
    """The obstacle, if there is one."""
    return _refused(observed) or _taken(job, observed) or claims.problem(job, spec, observed)


def _refused(observed: Observed) -> Waiting | None:
    """A child that a quota, a policy or a webhook does not admit."""
    if not observed.refused:
        return None
    return Waiting(
        reasons.REJECTED,
        f"The API server does not admit a child of this job: {observed.refused[:800]} The operator "
        "keeps trying: have the quota or policy changed, or ask for less in spec.workers "
        "while spec.runPolicy.suspend is true.",
    )


def _taken(job: Job, observed: Observed) -> Waiting | None:
    """A child's name that belongs to someone else, or to a deleted job of the same name."""
    foreign = set(observed.taken)
    if observed.service is not None and observed.service.owner != job.uid:
        foreign.add(observed.service.name)
    if not foreign:
        return None
    return Waiting(
        reasons.NAME_TAKEN,
        f"Objects that this job needs exist already and belong to something else: "
        f"{', '.join(sorted(foreign))}. Delete them, or give the job another name.",
    )
