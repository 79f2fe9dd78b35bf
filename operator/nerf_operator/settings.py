"""Settings of the operator, from the environment that the chart sets."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_network

from pydantic import ValidationError

from nerf_contract import names
from nerf_operator.core.network import Network

#: The machine itself, and what clouds tell a machine of itself.
_NEVER = tuple(map(ip_network, ("127.0.0.0/8", "169.254.0.0/16", "::1/128", "fe80::/10")))


class SettingsError(ValueError):
    """The environment does not make sense; the message names the variable."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How this operator was installed.

    trainer_image: of jobs without `spec.image`.
    namespaces: that are watched; all if empty.
    http_host, http_port: where /healthz and /metrics are served.
    workers: reconcile passes at a time.
    lease: name of the Lease that one of several operators must hold to work; "": there is only one.
    namespace, identity: where that Lease lies, and who asks for it.
    network: who may reach the pods of jobs; None makes no NetworkPolicies.
    archive_networks: private networks that archives may be fetched from.
    """

    trainer_image: str
    namespaces: tuple[str, ...] = ()
    http_host: str = "127.0.0.1"
    http_port: int = names.OPERATOR_HTTP_PORT
    log_level: str = "INFO"
    workers: int = 16
    lease: str = ""
    namespace: str = ""
    identity: str = ""
    network: Network | None = None
    archive_networks: tuple[str, ...] = ()

    @staticmethod
    def from_env(env: Mapping[str, str] = os.environ) -> "Settings":
        """Read the environment. Raises SettingsError."""
        image = env.get(names.ENV_TRAINER_IMAGE, "")
        if not image:
            raise SettingsError("TRAINER_IMAGE is not set: name the image that jobs run by default")
        return Settings(
            trainer_image=image,
            namespaces=_listed(env, names.ENV_WATCH_NAMESPACES),
            http_host=env.get("HTTP_HOST", Settings.http_host),
            http_port=_number(env, "HTTP_PORT", Settings.http_port),
            log_level=_level(env),
            workers=_number(env, "RECONCILE_WORKERS", Settings.workers),
            lease=env.get(names.ENV_LEASE, ""),
            namespace=_with_lease(env, "POD_NAMESPACE"),
            identity=_with_lease(env, "POD_NAME"),
            network=_network(env.get("JOB_NETWORK", "")),
            archive_networks=_cidrs(env),
        )


def _listed(env: Mapping[str, str], name: str) -> tuple[str, ...]:
    parts = (part.strip() for part in env.get(name, "").split(","))
    return tuple(dict.fromkeys(part for part in parts if part))


def _cidrs(env: Mapping[str, str]) -> tuple[str, ...]:
    found = _listed(env, names.ENV_ARCHIVE_NETWORKS)
    for cidr in found:
        try:
            network = ip_network(cidr)
        except ValueError as error:
            raise SettingsError(f"{names.ENV_ARCHIVE_NETWORKS}: {error}") from error
        if any(network.overlaps(own) for own in _NEVER if own.version == network.version):
            raise SettingsError(
                f"{names.ENV_ARCHIVE_NETWORKS}: {cidr} holds addresses of the node itself"
            )
    return found


def _network(text: str) -> Network | None:
    try:
        return Network.model_validate_json(text) if text else None
    except ValidationError as error:
        raise SettingsError(f"JOB_NETWORK does not make sense: {error}") from error


def _with_lease(env: Mapping[str, str], name: str) -> str:
    text = env.get(name, "")
    if env.get(names.ENV_LEASE) and not text:
        raise SettingsError(f"{name} is not set, which {names.ENV_LEASE} needs")
    return text


def _number(env: Mapping[str, str], name: str, default: int) -> int:
    text = env.get(name, str(default))
    if not text.isdigit() or int(text) < 1:
        raise SettingsError(f"{name} must be a positive number, not {text!r}")
    return int(text)


def _level(env: Mapping[str, str]) -> str:
    level = env.get("LOG_LEVEL", Settings.log_level).upper()
    if level not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        raise SettingsError(f"LOG_LEVEL must be debug, info, warning or error, not {level!r}")
    return level
