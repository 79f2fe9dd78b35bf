"""What keeps children from being made, until a person has done something."""

from datetime import datetime

from nerf_contract import reasons
from nerf_contract.v1alpha1 import NeRFJobSpec
from nerf_operator.core import claims
from nerf_operator.core.observed import Job, Observed
from nerf_operator.core.waiting import Waiting

#: A name that something else holds may become free, a quota may be raised; nobody tells of it.
RETRY_SECONDS, RETRY_MAX_SECONDS = 5.0, 60.0


def retry_seconds(job: Job, now: datetime) -> float:
    """Until the next try to make what was not let be made: a tenth of the time that this has
    lasted, so that a thousand jobs without a quota leave the API server alone."""
    known = job.status.condition(reasons.WORKERS_READY)
    if known is None or known.reason not in (reasons.REJECTED, reasons.NAME_TAKEN):
        return RETRY_SECONDS
    return pause((now - datetime.fromisoformat(known.last_transition_time)).total_seconds())


def pause(lasted: float) -> float:
    """Seconds until the next try of what has not been done for so long."""
    return min(RETRY_MAX_SECONDS, max(RETRY_SECONDS, lasted / 10))


def find(job: Job, spec: NeRFJobSpec, observed: Observed) -> Waiting | None:
    """The obstacle, if there is one."""
    return (
        _refused(observed)
        or _taken(job, observed)
        or _unclaimed(job, spec, observed)
        or _going(job, spec, observed)
    )


def _refused(observed: Observed) -> Waiting | None:
    """A child that a quota, a policy or a webhook does not admit."""
    if not observed.refused:
        return None
    return Waiting(
        reasons.REJECTED,
        f"The API server does not admit a child of this job: {observed.refused[:800]} The operator "
        "keeps trying: have the quota, policy or webhook changed, or ask for less in spec.workers "
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


def _unclaimed(job: Job, spec: NeRFJobSpec, observed: Observed) -> Waiting | None:
    """What keeps pods from being made: a claim that is not there. It heals when it appears."""
    photos = spec.dataset.claim_name
    if photos is not None and photos not in observed.claims:
        return _missing(job, "spec.dataset.claimName", photos, "with the photos")
    given = spec.checkpoint.volume.claim_name
    if given is not None and given not in observed.claims:
        return _missing(job, "spec.checkpoint.volume.claimName", given, "for the checkpoints")
    return _lost(job, spec, observed)


def _missing(job: Job, field: str, claim: str, what: str) -> Waiting:
    return Waiting(
        reasons.CLAIM_NOT_FOUND,
        f"{field} names the PersistentVolumeClaim {claim!r}, which does not exist in namespace "
        f"{job.namespace!r}. Create it ({what}), or create the job again with the right name; "
        "the job starts by itself once the claim is there.",
    )


def _lost(job: Job, spec: NeRFJobSpec, observed: Observed) -> Waiting | None:
    """A claim of ours that is gone with the checkpoints: never start again in silence."""
    photos = claims.dataset_claim(job, spec)
    if job.status.dataset is not None and photos not in observed.claims:
        return Waiting(
            reasons.CLAIM_NOT_FOUND,
            f"The PersistentVolumeClaim {photos!r} was deleted, and the photos with it. Restore a "
            "claim of that name to go on, or delete the job and create it again.",
        )
    claim = claims.checkpoint_claim(job, spec)
    found, checkpoint = observed.claims.get(claim), job.status.checkpoint
    if not claims.wants_own(spec) or checkpoint is None:
        return None
    if found is not None and not found.deleting:
        return None
    # Pods that run keep it for themselves. Nobody else gets it: other workers would start anew.
    happens = "was deleted" if found is None else "is being deleted"
    return Waiting(
        reasons.CLAIM_NOT_FOUND,
        f"The PersistentVolumeClaim {claim!r} {happens}, and the checkpoint of step "
        f"{checkpoint.step} with it. Restore a claim of that name to go on, or delete the job and "
        "create it again to train from the start.",
    )


def _going(job: Job, spec: NeRFJobSpec, observed: Observed) -> Waiting | None:
    """A claim under a name of ours that is deleted, or will be with the job that it belongs to. One
    without an owner was retained, or made by a person, and is used."""
    for name in claims.own(job, spec):
        claim = observed.claims.get(name)
        if claim is not None and (claim.deleting or claim.owner not in ("", job.uid)):
            return Waiting(reasons.NAME_TAKEN, f"The PersistentVolumeClaim {name!r} {_GOING}")
    return None


_GOING = (
    "is being deleted, or is about to be with the job that had this name before. Kubernetes "
    "removes it once no pod uses it any more; this job waits until it is gone."
)
