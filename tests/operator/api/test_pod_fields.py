"""What a job may not ask for, and which fields may change when."""

import urllib.error

import pytest
from operator_support.cluster import Namespace, Object, rejection

APPARMOR = "container.apparmor.security.beta.kubernetes.io/trainer"
#: what -> (fields of workers, words of the answer)
REFUSED: dict[str, tuple[Object, str]] = {
    "a label of ours": ({"labels": {"nerfops.dev/job": "other"}}, "workers.labels"),
    "security": ({"annotations": {APPARMOR: "unconfined"}}, "workers.annotations"),
    "the system's": ({"priorityClassName": "system-node-critical"}, "priorityClassName"),
    "a volume of the host": ({"volumes": []}, "unknown field"),
    "an account": ({"serviceAccountName": "admin"}, "unknown field"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_a_job_may_not_ask_for(bare: Namespace, what: str) -> None:
    fields, words = REFUSED[what]
    with pytest.raises(urllib.error.HTTPError) as refused:
        bare.job(workers={"replicas": 2} | fields)
    assert words in rejection(refused.value)


#: what may be changed while the job is suspended only -> change of the spec
SUSPENDED: dict[str, Object] = {
    "workers.replicas": {"workers": {"replicas": 3}},
    "workers.min": {"workers": {"min": 1}},
    "workers.gpusPerWorker": {"workers": {"gpusPerWorker": 1}},
    "workers.processesPerWorker": {"workers": {"processesPerWorker": 2}},
    "workers.resources": {"workers": {"resources": {"requests": {"cpu": "2"}}}},
    "workers.nodeSelector": {"workers": {"nodeSelector": {"pool": "gpu"}}},
    "workers.priorityClassName": {"workers": {"priorityClassName": "low"}},
    "workers.labels": {"workers": {"labels": {"team": "maps"}}},
    "training.steps": {"training": {"steps": 9000}},
    "checkpoint.keep": {"checkpoint": {"keep": 1}},
    "imagePullSecrets": {"imagePullSecrets": ["registry"]},
}
#: what may never be changed -> change of the spec
FIXED: dict[str, Object] = {
    "model": {"model": {"levels": 8}},
    "dataset": {"dataset": {"downscale": 2}},
    "image": {"image": "localhost/other:1"},
    "shards": {"training": {"shards": 8}},
    "training.determinism": {"training": {"determinism": "fast"}},
    "training.learningRate": {"training": {"learningRate": 0.5}},
    "checkpoint.volume.size": {"checkpoint": {"volume": {"size": "3Gi"}}},
}
#: what may be changed at any time -> change of the spec
FREE: dict[str, Object] = {
    "viewer": {"viewer": {"enabled": True}},
    "outputs": {"outputs": {"mesh": {}}},
    "runPolicy": {"runPolicy": {"backoffLimit": 1, "ttlSecondsAfterFinished": 5}},
    "retention": {"checkpoint": {"volume": {"retentionPolicy": "Retain"}}},
}


def refusal(bare: Namespace, change: Object) -> str:
    with pytest.raises(urllib.error.HTTPError) as refused:
        bare.patch("nerfjobs", "demo", {"spec": change})
    return rejection(refused.value)


@pytest.mark.parametrize("what", SUSPENDED)
def test_what_pods_are_told_may_change_while_there_are_none(bare: Namespace, what: str) -> None:
    bare.job()
    words = refusal(bare, SUSPENDED[what])
    assert what in words and "while runPolicy.suspend is true" in words
    assert "while runPolicy.suspend" in refusal(
        bare, SUSPENDED[what] | {"runPolicy": {"suspend": True}}
    )
    bare.patch("nerfjobs", "demo", {"spec": {"runPolicy": {"suspend": True}}})
    bare.patch("nerfjobs", "demo", {"spec": SUSPENDED[what] | {"runPolicy": {"suspend": False}}})


@pytest.mark.parametrize("what", FIXED)
def test_what_is_decided_once_may_never_change(bare: Namespace, what: str) -> None:
    bare.job(runPolicy={"suspend": True})
    words = refusal(bare, FIXED[what])
    assert what in words and "cannot be changed" in words


def test_all_that_is_wrong_with_a_change_is_told_at_once(bare: Namespace) -> None:
    bare.job()
    words = refusal(bare, FIXED["model"] | SUSPENDED["training.steps"])
    assert "model cannot be changed: create the job again under another name. " in words
    assert "training.steps can be changed only while runPolicy.suspend is true." in words


@pytest.mark.parametrize("what", FREE)
def test_the_rest_may_change_at_any_time(bare: Namespace, what: str) -> None:
    bare.job()
    bare.patch("nerfjobs", "demo", {"spec": FREE[what]})


def test_resources_of_the_viewer_are_those_that_it_began_with(bare: Namespace) -> None:
    bare.job()
    bigger = {"viewer": {"resources": {"requests": {"cpu": "2"}}}}
    bare.patch("nerfjobs", "demo", {"spec": bigger})
    bare.patch("nerfjobs", "demo", {"spec": {"viewer": {"enabled": True}}})
    smaller = {"viewer": {"resources": {"requests": {"cpu": "1"}}}}
    assert "viewer.resources can be changed only while" in refusal(bare, smaller)
    suspending = smaller | {"runPolicy": {"suspend": True}}
    assert "viewer.resources can be changed only while" in refusal(bare, suspending)
    off = {"viewer": {"enabled": False}}
    bare.patch("nerfjobs", "demo", {"spec": off})
    bare.patch("nerfjobs", "demo", {"spec": smaller})


def test_resources_of_a_viewer_that_is_turned_off_may_change_with_that(bare: Namespace) -> None:
    bare.job(viewer={"enabled": True})
    off = {"viewer": {"enabled": False, "resources": {"requests": {"cpu": "1"}}}}
    bare.patch("nerfjobs", "demo", {"spec": off})


def test_resources_of_a_viewer_may_change_while_its_job_is_suspended(bare: Namespace) -> None:
    bare.job(viewer={"enabled": True}, runPolicy={"suspend": True})
    for cpu, suspend in (("1", True), ("2", False)):
        resources = {"viewer": {"resources": {"requests": {"cpu": cpu}}}}
        bare.patch("nerfjobs", "demo", {"spec": resources | {"runPolicy": {"suspend": suspend}}})


@pytest.mark.parametrize("ended", ["Trained", "Failed"])
def test_what_nobody_would_look_at_any_more_cannot_change_after_the_end(
    bare: Namespace, ended: str
) -> None:
    bare.job(runPolicy={"suspend": True})
    more: Object = {"training": {"steps": 3000}}
    bare.patch("nerfjobs", "demo", {"spec": more | {"outputs": {"mesh": {}}}})
    fact = {"reason": "Tested", "message": "It is so.", "observedGeneration": 2}
    told = fact | {"type": ended, "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    bare.patch("nerfjobs", "demo/status", {"status": {"conditions": [told]}})
    for section, change in (("training", {"steps": 4000}), ("outputs", {"report": {}})):
        words = refusal(bare, {section: change})
        assert f"{section} cannot be changed once the training has ended" in words
    for what in FREE.keys() - {"outputs"}:
        bare.patch("nerfjobs", "demo", {"spec": FREE[what]})


def test_a_claim_that_is_retained_stays_so(bare: Namespace) -> None:
    bare.job(checkpoint={"volume": {"retentionPolicy": "Retain"}}, runPolicy={"suspend": True})
    words = refusal(bare, {"checkpoint": {"volume": {"retentionPolicy": "Delete"}}})
    assert "cannot go back to Delete" in words
