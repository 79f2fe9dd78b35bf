"""What is in a built image, as a bill of materials (CycloneDX): packages of Debian and of Python.

    make sbom                                     out/sbom/*.cdx.json, of both images
    python tools/security/sbom.py localhost/nerf-operator:dev > FILE

It reads the image's files as they lie in buildah's storage: what is listed is what is there.
"""

import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import distributions
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from images.storage import RootFs, load_rootfs

DPKG = "var/lib/dpkg/status"
OS_RELEASE = "usr/lib/os-release"
#: Where the images have Python packages that are not Debian's.
PYTHON = ("opt/python", "opt/nerf")


def main() -> None:
    """Print the bill of the image that is named."""
    image = sys.argv[1]
    rootfs = load_rootfs(image)
    if rootfs is None:
        sys.exit(f"sbom: {image} was not built here: run tools/images/images.py build")
    print(JsonV1Dot6(bill(image, rootfs)).output_as_string(indent=1))


def bill(image: str, rootfs: RootFs) -> Bom:
    """The bill of materials of an image."""
    found = list(components([Path(layer) for layer in rootfs.layers]))
    whole = Component(
        name=image, version=rootfs.image_id, type=ComponentType.CONTAINER, bom_ref=image
    )
    result = Bom(components=found, serial_number=uuid5(NAMESPACE_URL, rootfs.image_id))
    result.metadata.component = whole
    result.register_dependency(whole, found)
    return result


def components(layers: list[Path]) -> Iterator[Component]:
    """All packages of an image. layers: its folders, the topmost first."""
    status, release = _newest(layers, DPKG), _newest(layers, OS_RELEASE)
    if status and release:
        yield from debian(status.read_text(), _codename(release.read_text()))
    yield from python(layers)


def debian(status: str, codename: str) -> Iterator[Component]:
    """What is installed, by dpkg's own list."""
    for paragraph in status.split("\n\n"):
        lines = (line for line in paragraph.splitlines() if not line.startswith(" "))
        fields = dict(line.split(": ", 1) for line in lines if ": " in line)
        if fields.get("Status", "").endswith(" installed"):
            name, version = fields["Package"], fields["Version"]
            where = {"arch": fields["Architecture"], "distro": codename}
            yield _component(name, version, PackageURL("deb", "debian", name, version, where))


def python(layers: Iterable[Path]) -> Iterator[Component]:
    """What pip installed. Of a package in two layers, only the upper one is seen."""
    seen: set[str] = set()
    for package in distributions(path=[str(layer / place) for layer in layers for place in PYTHON]):
        name, version = package.metadata["Name"], package.version
        if name not in seen:
            seen.add(name)
            yield _component(name, version, PackageURL("pypi", name=name.lower(), version=version))


def _newest(layers: Iterable[Path], path: str) -> Path | None:
    return next((layer / path for layer in layers if (layer / path).is_file()), None)


def _codename(os_release: str) -> str:
    """Of Debian's release, like trixie."""
    fields = dict(line.split("=", 1) for line in os_release.splitlines() if "=" in line)
    return fields["VERSION_CODENAME"].strip('"')


def _component(name: str, version: str, purl: PackageURL) -> Component:
    return Component(
        name=name, version=version, purl=purl, bom_ref=str(purl), type=ComponentType.LIBRARY
    )


if __name__ == "__main__":
    main()
