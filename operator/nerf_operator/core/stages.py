"""How far a job is on its way: download, poses, training, outputs. A stage that is done is never
repeated.

What is done stands in the status. A pod's last word counts only until it is written there.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from nerf_contract import names, reasons
from nerf_contract.dataset import WITHOUT_POSES
from nerf_contract.progress import TerminationMessage
from nerf_contract.v1alpha1 import DatasetStatus, NeRFJobSpec
from nerf_operator.core import outcome, replacement
from nerf_operator.core.conditions import Fact
from nerf_operator.core.failure import classify, told
from nerf_operator.core.observed import Job, Observed, Pod
from nerf_operator.core.outcome import Outcome

Stage = Literal["download", "poses", "training", "export"]


@dataclass(frozen=True)
class Stages:
    """poses, trained, outputs: the facts for the conditions of these names.

    dataset: as it was found, once it is known. training: how it ended well, once it has.
    fetched: the archive is in place, if there is one. made: files among the outputs. failed: why
    there can never be poses.
    """

    poses: Fact
    dataset: DatasetStatus | None
    training: Outcome | None
    trained: Fact
    outputs: Fact
    made: list[str]
    fetched: bool = True
    failed: Outcome | None = None
    exported: bool = False

    @property
    def current(self) -> Stage:
        """The stage that is worked on."""
        if self.poses.status != "True":
            return "poses" if self.fetched else "download"
        return "training" if self.training is None else "export"


def read(job: Job, spec: NeRFJobSpec, observed: Observed) -> Stages:
    """Where the job is, from its status and the last words of its pods."""
    poses, dataset, failed = _poses(job, spec, observed)
    training = _training(job, observed) if failed is None else None
    outputs, made, exported = _made(job) or _outputs(spec, observed)
    return Stages(
        poses=poses,
        dataset=dataset,
        training=training,
        trained=_trained(training),
        outputs=outputs,
        made=made,
        fetched=_fetched(spec, observed),
        failed=failed,
        exported=exported,
    )


def done(pod: Pod) -> bool:
    """Whether the pod has done all of its work. Coordinators and viewers are never done."""
    if pod.index is not None:
        return outcome.finished(pod)
    return pod.phase == "Succeeded" and pod.component in names.STAGE_COMPONENTS


def end(spec: NeRFJobSpec, observed: Observed, at: Stages) -> Outcome | None:
    """How the job ends, or None while it goes on. A scene that was trained is a success."""
    if at.failed is not None:
        return at.failed
    if at.training is None:
        hopeful = at.current != "training"
        return None if hopeful else outcome.failed_training(spec, observed)
    if not at.exported:
        return None
    tail = f" {at.outputs.message}" if spec.outputs.wanted else ""
    return replace(at.training, message=at.training.message + tail)


def out_of_time(at: Stages, deadline: Outcome) -> tuple[Stages, Outcome]:
    """The end by a deadline: what is trained is a success, without what is not made of it yet."""
    if at.training is None:
        return at, deadline
    late = replace(at, outputs=Fact("False", deadline.reason, deadline.message))
    return late, replace(at.training, message=f"{at.training.message} {deadline.message}")


# --- Download and poses --------------------------------------------------------------------------


def _fetched(spec: NeRFJobSpec, observed: Observed) -> bool:
    """Whether a pod has said so, or one that comes after it is there.

    Where all of them are lost, another one finds the archive in place, and ends.
    """
    if spec.dataset.archive is None or observed.of(names.COMPONENT_POSES):
        return True
    return any(pod.phase == "Succeeded" for pod in observed.of(names.COMPONENT_DOWNLOAD))


def _poses(
    job: Job, spec: NeRFJobSpec, observed: Observed
) -> tuple[Fact, DatasetStatus | None, Outcome | None]:
    known = job.status.condition(reasons.POSES_READY)
    if known is not None and known.status == "True":
        return Fact("True", known.reason, known.message), job.status.dataset, None
    pods = observed.of(names.COMPONENT_POSES)
    if given(spec) or (not pods and _trains_already(job, observed)):
        return Fact("True", reasons.POSES_GIVEN, _GIVEN), None, None
    for done in _finished(pods):
        word = told(done)
        if word is not None and word.dataset is not None:
            found = DatasetStatus.model_validate(word.dataset.model_dump())
            return Fact("True", word.reason, word.message), found, None
    before = _given_up(spec, observed.of(names.COMPONENT_DOWNLOAD))
    failed = before or _given_up(spec, pods) or _silent(pods)
    if failed is not None:
        return Fact("False", failed.reason, failed.message), None, failed
    return Fact("False", reasons.PREPARING, _PREPARING), None, None


_GIVEN = "The dataset brings the poses of its cameras along."
_PREPARING = "The photos are read, and their cameras found where no poses are given."


def _finished(pods: Sequence[Pod]) -> list[Pod]:
    return [pod for pod in pods if pod.phase == "Succeeded" and not pod.deleting]


def _silent(pods: Sequence[Pod]) -> Outcome | None:
    """Success without a word is none: nobody knows which poses to use."""
    done = _finished(pods)
    if not done:
        return None
    message = f"{done[-1].name} ended without saying what it found. See its log."
    return Outcome(False, reasons.CRASHED, message)


def given(spec: NeRFJobSpec) -> bool:
    """Whether the spec says that the dataset is there, with its poses: nothing is to be done."""
    return spec.dataset.format not in ("auto", *WITHOUT_POSES) and spec.dataset.archive is None


def _trains_already(job: Job, observed: Observed) -> bool:
    """A job of an operator that knew of no stages."""
    return job.status.progress is not None or any(pod.index is not None for pod in observed.pods)


def _given_up(spec: NeRFJobSpec, pods: Sequence[Pod]) -> Outcome | None:
    """Why a stage with these pods is not tried again."""
    failed = [pod for pod in pods if pod.phase == "Failed" and not pod.deleting]
    if not failed:
        return None
    verdict = classify(failed[-1])
    if not verdict.retryable:
        return Outcome(False, verdict.reason, verdict.message)
    total, limit = replacement.failures(pods), spec.run_policy.backoff_limit
    if total <= limit:
        return None
    message = (
        f"{failed[-1].name} is the last of {total} pods that failed, more than "
        f"runPolicy.backoffLimit {limit} allows: {verdict.reason}: {verdict.message}"
    )
    return Outcome(False, reasons.BACKOFF_LIMIT_EXCEEDED, message)


# --- Training ------------------------------------------------------------------------------------


def _training(job: Job, observed: Observed) -> Outcome | None:
    known = job.status.condition(reasons.TRAINED)
    if known is not None and known.status == "True":
        return Outcome(True, known.reason, known.message)
    return outcome.training(observed)


def _trained(training: Outcome | None) -> Fact:
    if training is None:
        return Fact("False", reasons.NOT_FINISHED, "The training has not finished.")
    return Fact("True", training.reason, training.message)


# --- Outputs -------------------------------------------------------------------------------------


Outputs = tuple[Fact, list[str], bool]


def _made(job: Job) -> Outputs | None:
    """What the status knows, once the job has ended: its pods may be gone."""
    known = job.status.condition(reasons.OUTPUTS_READY)
    if known is None or outcome.recorded(job.status) is None:
        return None
    return Fact(known.status, known.reason, known.message), job.status.outputs, True


def _outputs(spec: NeRFJobSpec, observed: Observed) -> Outputs:
    """The fact, the files that were made, and whether the stage has ended."""
    if not spec.outputs.wanted:
        return Fact("False", reasons.NOT_WANTED, "spec.outputs asks for nothing."), [], True
    pods = observed.of(names.COMPONENT_EXPORT)
    for done in _finished(pods):
        word = told(done) or TerminationMessage(reason=reasons.OUTPUTS_MADE, message=_MADE)
        return Fact("True", word.reason, word.message), word.outputs or [], True
    failed = _given_up(spec, pods)
    if failed is not None:
        words = [told(pod) for pod in pods if pod.phase == "Failed"]
        made = (words[-1].outputs if words[-1] else None) or []
        return Fact("False", failed.reason, failed.message), made, True
    return Fact("False", reasons.EXPORTING, _EXPORTING), [], False


_MADE = "The outputs have been made."
_EXPORTING = "The outputs are made once the training has finished."
