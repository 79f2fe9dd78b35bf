"""`kubectl nerf run`, what it asks of the cluster, and in which order."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from kubernetes import client
from kubernetes.client.exceptions import ApiException

from nerf_cli import origin, running
from nerf_cli.cluster import Cluster, Object
from nerf_cli.errors import UserError
from nerf_cli.files import LocalFile
from nerf_cli.folder import Folder, Photos
from nerf_cli.speaking import console
from nerf_contract import names

OLD, NEW = "uid-of-the-old", "uid-of-the-new"


def job(name: str = "scene", **volume: str) -> Object:
    spec: Object = {"dataset": {"claimName": "photos"}}
    if volume:
        spec["checkpoint"] = {"volume": volume}
    return {"metadata": {"name": name}, "spec": spec}


def folder(root: Path, **sizes: int) -> Folder:
    files = tuple(LocalFile(root / name, name, size) for name, size in sizes.items())
    return Folder(root, "photos", Photos(), files, ())


def claim(name: str, owner: str | None) -> Any:
    of = {"api_version": names.API_VERSION, "kind": names.KIND, "name": "scene"}
    owners = [client.V1OwnerReference(**of, uid=owner)] if owner else None
    return client.V1PersistentVolumeClaim(
        metadata=client.V1ObjectMeta(name=name, owner_references=owners)
    )


@dataclass
class Custom:
    """NeRFJobs of a cluster. rejected: names that its rules do not allow."""

    jobs: dict[str, Object] = field(default_factory=dict)
    rejected: tuple[str, ...] = ()
    calls: list[str] = field(default_factory=list)

    def get_namespaced_custom_object(self, *path: str) -> Object:
        if path[-1] not in self.jobs:
            error = ApiException(status=404)
            error.body = json.dumps({"details": {"kind": names.PLURAL}})
            raise error
        return self.jobs[path[-1]]

    def create_namespaced_custom_object(self, *path: Any, dry_run: str = "") -> None:
        meta = path[-1]["metadata"]
        if meta.get("name") in self.rejected:
            raise ApiException(status=422)
        if meta.get("name") in self.jobs:
            raise ApiException(status=409)
        self.calls.append("check" if dry_run else "create")

    def delete_namespaced_custom_object(self, *path: str) -> None:
        del self.jobs[path[-1]]
        self.calls.append("delete")


class Core:
    """Pods, Services and claims of a cluster. claims: all that the label of the job finds."""

    def __init__(self, claims: tuple[Any, ...]) -> None:
        self._claims = claims

    def list_namespaced_pod(self, namespace: str, label_selector: str) -> SimpleNamespace:
        return SimpleNamespace(items=[])

    list_namespaced_service = list_namespaced_pod

    def list_namespaced_persistent_volume_claim(
        self, namespace: str, label_selector: str
    ) -> SimpleNamespace:
        assert label_selector == f"{names.LABEL_JOB}=scene"
        return SimpleNamespace(items=self._claims)


def cluster(
    monkeypatch: pytest.MonkeyPatch, custom: Custom, claims: tuple[Any, ...] = ()
) -> Cluster:
    monkeypatch.setattr(Cluster, "custom", custom)
    monkeypatch.setattr(Cluster, "core", Core(claims))
    monkeypatch.setattr(Cluster, "patient", lambda self, say: self)
    monkeypatch.setattr(running.uploading, "run", lambda *_: custom.calls.append("upload"))
    return Cluster(client.ApiClient(client.Configuration()), "lab", ("kubectl",))


def submit(where: Cluster, wanted: Object, replace: bool = False) -> list[str]:
    """What was said."""
    said: list[str] = []
    running.submit(where, *cast("Any", (None, wanted, None)), replace, console, said.append)
    return said


def existing(**volume: str) -> Object:
    found = job(**volume)
    return found | {"metadata": found["metadata"] | {"uid": OLD}}


@pytest.mark.parametrize(
    ("volume", "stays"),
    [
        ({"retentionPolicy": "Retain"}, "scene-checkpoint"),
        ({"claimName": "mine"}, "mine"),
        ({}, None),
    ],
)
def test_a_claim_that_outlives_the_job_is_not_waited_for_and_told(
    monkeypatch: pytest.MonkeyPatch, volume: dict[str, str], stays: str | None
) -> None:
    monkeypatch.setattr(running, "REMOVAL_DEADLINE_S", -1)
    custom = Custom({"scene": existing(**volume)})
    there = (claim("released", None), claim("of another", NEW))
    said = submit(cluster(monkeypatch, custom, there), job(**volume), replace=True)
    assert custom.calls == ["check", "upload", "delete", "create"]
    told = [line for line in said if "what it made stays" in line]
    assert [f"the claim {stays}:" in line for line in told] == ([True] if stays else [])


def test_what_goes_with_the_old_job_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "REMOVAL_DEADLINE_S", -1)
    custom = Custom({"scene": existing()})
    where = cluster(monkeypatch, custom, (claim("stuck", OLD), claim("released", None)))
    with pytest.raises(UserError, match=r"^stuck of the old job 'scene' cannot be deleted"):
        submit(where, job(), replace=True)


def test_what_replace_deletes_is_told_before(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = {"conditions": [{"type": "Failed", "status": "True", "reason": "R", "message": "M."}]}
    for volume, words in (({}, "it and its results"), ({"claimName": "m"}, "results stay, on")):
        with pytest.raises(UserError, match=words):
            running.first_step(job(), existing(**volume) | {"status": ended}, replace=False)


@pytest.mark.parametrize("files", [{"a": 1, "b": 3}, {"a": 1, "c": 2}, {"a": 1}])
def test_a_job_is_under_way_already_only_if_it_is_of_these_files(
    monkeypatch: pytest.MonkeyPatch, files: dict[str, int]
) -> None:
    chair = origin.mark(job(), folder(Path("chair/images"), a=1, b=2))
    custom = Custom({"scene": chair})
    where = cluster(monkeypatch, custom)
    again = origin.mark(job(), folder(Path("moved/images"), a=1, b=2))
    assert submit(where, again) == ["the job scene is under way already"]
    with pytest.raises(UserError, match="another --name"):
        submit(where, origin.mark(job(), folder(Path("table/images"), **files)))
    assert custom.calls == []


def test_a_name_that_is_refused_is_refused_before_the_upload(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    custom = Custom(rejected=("x.y",))
    with pytest.raises(ApiException) as caught:
        submit(cluster(monkeypatch, custom), job("x.y"))
    assert caught.value.status == 422
    assert custom.calls == []
    submit(cluster(monkeypatch, custom), job())
    assert custom.calls == ["check", "upload", "create"]
