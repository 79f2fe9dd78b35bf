"""What a bill of materials lists is what an image's layers hold."""

from pathlib import Path

from images.storage import RootFs
from security.sbom import bill

STATUS = """Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.41-12
Description: GNU C Library
 Version: not a field, for it is indented

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1.0
"""


def image(folder: Path) -> RootFs:
    """Two layers: Debian below, and a package of Python in both, newer above."""
    above, below = folder / "above", folder / "below"
    write(below / "var/lib/dpkg/status", STATUS)
    write(below / "usr/lib/os-release", 'ID=debian\nVERSION_CODENAME="trixie"\n')
    for layer, version in ((above, "2.0"), (below, "1.0")):
        text = f"Metadata-Version: 2.1\nName: Kopf\nVersion: {version}\n"
        write(layer / f"opt/python/kopf-{version}.dist-info/METADATA", text)
    return RootFs("abc", [str(above), str(below)], {})


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_packages_of_debian_and_python(tmp_path: Path) -> None:
    found = bill("localhost/nerf-operator:dev", image(tmp_path))
    assert {str(component.purl) for component in found.components} == {
        "pkg:deb/debian/libc6@2.41-12?arch=amd64&distro=trixie",
        "pkg:pypi/kopf@2.0",
    }


def test_the_same_image_has_the_same_number(tmp_path: Path) -> None:
    rootfs = image(tmp_path)
    assert bill("a", rootfs).serial_number == bill("a", rootfs).serial_number
