"""Where the job's token comes from, and who may be reached without one."""

from pathlib import Path

import pytest

from nerf_contract import names
from nerf_trainer.coordination.token import TokenError, read_token
from nerf_trainer.coordinator import create_server


def named(path: Path) -> dict[str, str]:
    return {names.ENV_GROUP_TOKEN_FILE: str(path), names.ENV_POD_IP: "127.0.0.2"}


def test_the_token_is_what_the_file_holds(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("drawn-by-lot\n")
    assert read_token(named(tmp_path / "token")) == "drawn-by-lot"


def test_where_no_file_is_named_there_is_none() -> None:
    assert read_token({}) is None


@pytest.mark.parametrize(
    "content", [None, b"", b" \n", b"\xff\xfe", "gehe\u00efm".encode(), b"a\x00b"]
)
def test_a_file_without_a_token_is_an_error_that_says_what_to_do(
    tmp_path: Path, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / "token").write_bytes(content)
    with pytest.raises(TokenError, match=r"NERF_GROUP_TOKEN_FILE names .*token.*openssl rand"):
        read_token(named(tmp_path / "token"))


def test_an_empty_name_is_an_error_too() -> None:
    with pytest.raises(TokenError):
        read_token({names.ENV_GROUP_TOKEN_FILE: ""})


def test_only_a_coordinator_with_a_token_leaves_loopback(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("drawn-by-lot")
    guarded = create_server(named(tmp_path / "token"), 0)
    open_ = create_server({names.ENV_POD_IP: "127.0.0.2", "KUBERNETES_SERVICE_HOST": "10.0.0.1"}, 0)
    assert (guarded.host, open_.host) == ("127.0.0.2", "127.0.0.1")
    for server in (guarded, open_):
        server.start()
        server.stop()
