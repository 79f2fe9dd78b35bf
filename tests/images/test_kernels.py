"""The kernels that travel in the trainer image."""

import subprocess

import pytest

from images.recipes import CHECKOUT, trainer

pytestmark = pytest.mark.cluster

#: Stands in for the compiler: it is there, but fails when it is asked to compile.
NO_COMPILER = """\
mkdir /tmp/bin
cat > /tmp/bin/g++ <<'END'
#!/bin/sh
[ "$1" = --version ] && exec /usr/bin/g++ --version
echo "the compiler was needed" >&2
exit 1
END
chmod +x /tmp/bin/g++
PATH=/tmp/bin:$PATH exec python3 -m nerf_trainer.compiler
"""


def compile_default(*options: str) -> subprocess.CompletedProcess[str]:
    """Run the default settings' training pass in the image of the pods."""
    return subprocess.run(
        [
            *(str(CHECKOUT / "tools/images/in-trainer"), "--image", trainer("cpu").image),
            *("--no-cache", *options, "--", "bash", "-c", NO_COMPILER),
        ],
        capture_output=True,
        text=True,
    )


def test_a_training_with_default_settings_needs_no_compiler() -> None:
    done = compile_default()
    assert done.returncode == 0, done.stderr[-2000:]


def test_without_them_it_would() -> None:
    done = compile_default("-e", "NERF_KERNELS=")
    assert done.returncode != 0
    assert "the compiler was needed" in done.stderr
