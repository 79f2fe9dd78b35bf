"""What users do to jobs and namespaces while they train."""

import threading
import time
from typing import Any

import pytest
from e2e_support import manifests
from e2e_support.kube import Namespace, kubectl, wait_for
from faults_support import Make, Subject
from kubernetes import client

pytestmark = [pytest.mark.cluster, pytest.mark.faults]
#: How long a job is edited, ten times a second.
EDITED_SECONDS = 20


def test_a_job_is_created_again_at_once(subject: Make) -> None:
    with subject() as old:
        uid, old.gone = _uid(old), True
        old.job.namespace.run("delete", "nerfjob", old.job.name, "--wait=false")
        with subject() as new:
            assert _uid(new) != uid
            new.strike()
            owners = {_owner(one) for one in _children(new)}
            assert owners == {_uid(new)}, "a child of the deleted job is left"
            new.goes_on()
            new.survived(lost_steps=0)
            assert min(start.step for start in new.watch.starts()) == 0


def _uid(it: Subject) -> str:
    found = it.job.namespace.get("nerfjob", it.job.name)
    assert found is not None
    return str(found["metadata"]["uid"])


def _children(it: Subject) -> list[dict[str, Any]]:
    kinds = "pods,services,secrets,persistentvolumeclaims"
    return it.job.namespace.items(kinds, f"nerfops.dev/job={it.job.name}")


def _owner(one: dict[str, Any]) -> str:
    return str(one["metadata"]["ownerReferences"][0]["uid"])


def test_the_namespace_is_deleted(subject: Make, fresh: Namespace) -> None:
    """All is gone soon, and the job next door does not notice."""
    manifests.render_photos(fresh)
    with subject() as neighbour, subject(fresh) as there:
        there.gone = True
        before = neighbour.job.identities()
        neighbour.strike()
        begin = time.monotonic()
        kubectl("delete", "namespace", fresh.name, "--wait=false")
        wait_for("the namespace is gone", lambda: not _exists(fresh), 90)
        neighbour.note("whole_s", round(time.monotonic() - begin, 1))
        neighbour.goes_on()
        neighbour.undisturbed(before)
        neighbour.survived(lost_steps=0)


def _exists(place: Namespace) -> str:
    return kubectl("get", "namespace", place.name, "-o", "name", "--ignore-not-found")


def test_a_job_is_edited_every_100_ms(subject: Make) -> None:
    """Its size, its budget and its labels change, and edits that may not be are refused."""
    with subject() as it:
        it.strike()
        refused, wrong = _edit(it)
        assert refused > 10
        assert wrong == []
        it.job.namespace.run("scale", f"nerfjob/{it.job.name}", "--replicas=2")
        it.whole()
        it.survived(lost_steps=0)


def _edit(it: Subject) -> tuple[int, list[str]]:
    """How many edits that must be refused were, and answers that should not have been."""
    api = client.CustomObjectsApi()
    where = ("nerfops.dev", "v1alpha1", it.job.namespace.name, "nerfjobs", it.job.name)
    refused, wrong, over = 0, [], threading.Event()
    end = time.monotonic() + EDITED_SECONDS
    while time.monotonic() < end:
        patch, allowed = _patch(it)
        try:
            api.patch_namespaced_custom_object(*where, patch, _request_timeout=5)
            wrong += [] if allowed else [f"accepted: {patch}"]
        except client.ApiException as error:
            refused += not allowed
            wrong += [f"refused: {patch}: {error.body}"] if allowed else []
        over.wait(0.1)
    return refused, wrong


def _patch(it: Subject) -> tuple[dict[str, Any], bool]:
    """A random edit, and whether it is allowed while the job trains."""
    dice = it.dice
    edits: list[tuple[dict[str, Any], bool]] = [
        ({"spec": {"workers": {"replicas": dice.randint(1, 2)}}}, True),
        ({"spec": {"runPolicy": {"backoffLimit": dice.randint(3, 9)}}}, True),
        ({"metadata": {"labels": {"edited": str(dice.randint(0, 99))}}}, True),
        ({"spec": {"training": {"seed": dice.randint(1, 99)}}}, False),
        ({"spec": {"workers": {"replicas": 99}}}, False),
    ]
    return dice.choice(edits)
