"""The environment of the operator."""

import pytest

from nerf_operator.settings import Settings, SettingsError


def test_defaults() -> None:
    found = Settings.from_env({"TRAINER_IMAGE": "i"})
    assert (found.namespaces, found.http_host, found.http_port) == ((), "127.0.0.1", 9500)


def test_namespaces_are_listed_once_each() -> None:
    found = Settings.from_env({"TRAINER_IMAGE": "i", "WATCH_NAMESPACES": "b, a,, b"})
    assert found.namespaces == ("b", "a")


def test_a_lease_needs_to_know_where_it_is_and_who_asks() -> None:
    env = {"TRAINER_IMAGE": "i", "LEASE_NAME": "l", "POD_NAMESPACE": "n", "POD_NAME": "p"}
    found = Settings.from_env(env)
    assert (found.lease, found.namespace, found.identity) == ("l", "n", "p")
    for name in ("POD_NAMESPACE", "POD_NAME"):
        with pytest.raises(SettingsError, match=name):
            Settings.from_env(env | {name: ""})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("TRAINER_IMAGE", ""), ("HTTP_PORT", "http"), ("RECONCILE_WORKERS", "0")),
        *(("LOG_LEVEL", "x"), ("NERF_ARCHIVE_NETWORKS", "10.0.0.1/8")),
        *(("NERF_ARCHIVE_NETWORKS", "0.0.0.0/0"), ("NERF_ARCHIVE_NETWORKS", "169.254.169.254/32")),
    ],
)
def test_nonsense_names_the_variable(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        Settings.from_env({"TRAINER_IMAGE": "i", name: value})
