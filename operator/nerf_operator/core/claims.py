"""PersistentVolumeClaims: are they there, and who may mount them where."""

from nerf_contract import children, reasons
from nerf_contract.v1alpha1 import NeRFJobSpec
from nerf_operator.core.observed import Job, Observed
from nerf_operator.core.waiting import Waiting


def names_of(job: Job) -> tuple[str, ...]:
    """The claims that a job uses."""
    if job.spec is None:
        return ()
    return (dataset_claim(job, job.spec), checkpoint_claim(job, job.spec))


def dataset_claim(job: Job, spec: NeRFJobSpec) -> str:
    """Name of the claim that holds the photos."""
    return spec.dataset.claim_name or children.dataset_claim(job.name)


def checkpoint_claim(job: Job, spec: NeRFJobSpec) -> str:
    """Name of the claim that the checkpoints go to."""
    return spec.checkpoint.volume.claim_name or children.checkpoint_claim(job.name)


def shared(job: Job, spec: NeRFJobSpec) -> bool:
    """Whether photos and checkpoints lie on one volume."""
    return dataset_claim(job, spec) == checkpoint_claim(job, spec)


def problem(job: Job, spec: NeRFJobSpec, observed: Observed) -> Waiting | None:
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
    photos = dataset_claim(job, spec)
    if job.status.dataset is not None and photos not in observed.claims:
        return Waiting(
            reasons.CLAIM_NOT_FOUND,
            f"The PersistentVolumeClaim {photos!r} was deleted, and the photos with it. Restore a "
            "claim of that name to go on, or delete the job and create it again.",
        )
    claim = children.checkpoint_claim(job.name)
    checkpoint = job.status.checkpoint
    if not wants_own(spec) or claim in observed.claims or checkpoint is None:
        return None
    return Waiting(
        reasons.CLAIM_NOT_FOUND,
        f"The PersistentVolumeClaim {claim!r} was deleted, and the checkpoint of step "
        f"{checkpoint.step} with it. Restore a claim of that name to go on, or delete the job and "
        "create it again to train from the start.",
    )


def wants_own(spec: NeRFJobSpec) -> bool:
    """Whether the operator makes the checkpoint claim."""
    return spec.checkpoint.volume.claim_name is None


def together(job: Job, spec: NeRFJobSpec, observed: Observed) -> bool:
    """Whether the dataset's claim forces all pods onto one node. One that is being made will."""
    claim = observed.claims.get(dataset_claim(job, spec))
    return spec.dataset.claim_name is None if claim is None else claim.one_node_only


def one_node_checkpoints(job: Job, spec: NeRFJobSpec, observed: Observed) -> bool:
    """Whether pods on two nodes cannot mount the checkpoints at the same time."""
    claim = observed.claims.get(checkpoint_claim(job, spec))
    return claim is None or claim.one_node_only


def read_only(job: Job, spec: NeRFJobSpec, observed: Observed) -> bool:
    """Whether the dataset's claim may only be mounted read-only."""
    claim = observed.claims.get(dataset_claim(job, spec))
    return claim is not None and claim.access_modes == ("ReadOnlyMany",)
