"""The environment of the operator."""

import pytest

from nerf_operator.settings import Settings, SettingsError


def test_defaults() -> None:
    found = Settings.from_env({"TRAINER_IMAGE": "i"})
    assert (found.namespaces, found.http_host, found.http_port) == ((), "127.0.0.1", 9500)


def test_namespaces_are_listed() -> None:
    found = Settings.from_env({"TRAINER_IMAGE": "i", "WATCH_NAMESPACES": "a, b,"})
    assert found.namespaces == ("a", "b")


@pytest.mark.parametrize(
    ("name", "value"),
    [("TRAINER_IMAGE", ""), ("HTTP_PORT", "http"), ("RECONCILE_WORKERS", "0"), ("LOG_LEVEL", "x")],
)
def test_nonsense_names_the_variable(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        Settings.from_env({"TRAINER_IMAGE": "i", name: value})
