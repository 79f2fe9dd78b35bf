"""PersistentVolumeClaims: are they there, and who may mount them where."""

from nerf_contract import children
from nerf_contract.v1alpha1 import NeRFJobSpec
from nerf_operator.core.observed import Job, Observed


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


def wants_own(spec: NeRFJobSpec) -> bool:
    """Whether the operator makes the checkpoint claim."""
    return spec.checkpoint.volume.claim_name is None


def wants_dataset(spec: NeRFJobSpec) -> bool:
    """Whether the operator makes the claim for the photos."""
    return spec.dataset.claim_name is None


def own(job: Job, spec: NeRFJobSpec) -> list[str]:
    """Names of the claims that the operator makes."""
    photos = [dataset_claim(job, spec)] if wants_dataset(spec) else []
    return [*photos, *([checkpoint_claim(job, spec)] if wants_own(spec) else [])]


def together(job: Job, spec: NeRFJobSpec, observed: Observed) -> bool:
    """Whether the dataset's claim forces all pods onto one node. One that is being made will."""
    claim = observed.claims.get(dataset_claim(job, spec))
    return wants_dataset(spec) if claim is None else claim.one_node_only


def one_node_checkpoints(job: Job, spec: NeRFJobSpec, observed: Observed) -> bool:
    """Whether pods on two nodes cannot mount the checkpoints at the same time."""
    claim = observed.claims.get(checkpoint_claim(job, spec))
    return claim is None or claim.one_node_only


def read_only(job: Job, spec: NeRFJobSpec, observed: Observed) -> bool:
    """Whether the dataset's claim may only be mounted read-only."""
    claim = observed.claims.get(dataset_claim(job, spec))
    return claim is not None and claim.access_modes == ("ReadOnlyMany",)
