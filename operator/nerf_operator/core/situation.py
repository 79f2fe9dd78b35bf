"""What a pass over one job decides on."""

from dataclasses import dataclass
from datetime import datetime

from nerf_contract.v1alpha1 import NeRFJobSpec
from nerf_operator.core.image import Image
from nerf_operator.core.observed import Job, Observed
from nerf_operator.core.stages import Stages


@dataclass(frozen=True)
class Situation:
    """A job whose spec is valid, what there is of it, and when.

    image: what its pods run. at: how far it is. archive_networks: private networks, as CIDRs, that
    an archive may be fetched from.
    """

    job: Job
    spec: NeRFJobSpec
    observed: Observed
    now: datetime
    image: Image
    at: Stages
    archive_networks: tuple[str, ...] = ()
