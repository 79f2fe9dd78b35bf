"""Who says how many workers a job has."""

from typing import Literal

from pydantic import Field

from nerf_contract.base import Model


class ScalingSpec(Model):
    """Who says how many workers the job has."""

    policy: Literal["Fixed", "Auto"] = Field(
        default="Fixed",
        description="`Fixed`: `workers.replicas`. `Auto`: the operator, between `workers.min` and "
        "`workers.max`, as it shares the GPUs of the cluster among all jobs with `Auto`; see "
        "`status.allocation`.",
    )
