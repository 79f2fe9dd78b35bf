"""Which files a job was made of, kept with it: two folders of one name are two scenes."""

import hashlib

from nerf_cli.cluster import Object
from nerf_cli.folder import Folder
from nerf_contract import names

#: On a job: a digest of names and sizes of the files of its folder.
ANNOTATION = f"{names.GROUP}/files"


def mark(job: Object, folder: Folder) -> Object:
    """The job, with what its folder holds."""
    metadata = job["metadata"]
    annotations = (metadata.get("annotations") or {}) | {ANNOTATION: _digest(folder)}
    return job | {"metadata": metadata | {"annotations": annotations}}


def same(one: Object, other: Object) -> bool:
    """Whether both jobs are marked, and of the same files."""
    return _mark(one) is not None and _mark(one) == _mark(other)


def _mark(job: Object) -> str | None:
    return (job["metadata"].get("annotations") or {}).get(ANNOTATION)


def _digest(folder: Folder) -> str:
    found = hashlib.sha256()
    for file in folder.files:
        found.update(f"{file.name}\0{file.size}\0".encode(errors="surrogateescape"))
    return found.hexdigest()
