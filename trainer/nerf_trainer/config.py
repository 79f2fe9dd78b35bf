"""The config file: read, checked, and what of it a checkpoint depends on."""

import hashlib
import json
import logging
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from nerf_contract.reasons import CONFIG_INVALID
from nerf_contract.training import TrainerConfig
from nerf_trainer.failures import TrainerFailure

log = logging.getLogger(__name__)

#: Fields that each process of a group may have for itself.
_LOCAL: dict[str, Any] = {
    "dataset": {"wait_seconds": True, "archive": {"url", "max_gigabytes"}},
    "poses": True,
    "training": {"threads", "device", "compile"},
    "checkpoint": True,
    "outputs": True,
}
#: Fields that may change between two runs that share checkpoints.
_FREE = _LOCAL | {
    "training": _LOCAL["training"] | {"steps", "eval_every", "target_psnr", "determinism"}
}


def load_config(path: Path | None) -> TrainerConfig:
    """The config in the JSON file `path`; all defaults without one.

    Unknown fields are warned of. Raises TrainerFailure (ConfigInvalid) that names the field.
    """
    if path is None:
        return TrainerConfig()
    data = _read(path)
    unknown = _unknown_fields(data)
    for location in unknown:
        log.warning("%s: unknown field %s is ignored", path, ".".join(map(str, location)))
        _remove(data, location)
    try:
        return TrainerConfig.model_validate(data)
    except ValidationError as error:
        raise TrainerFailure(CONFIG_INVALID, f"{path}: {_explain(error)}") from error


def _read(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TrainerFailure(
            CONFIG_INVALID, f"{path}: cannot be read ({error.strerror}). Check --config."
        ) from error
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise TrainerFailure(
            CONFIG_INVALID, f"{path}: is not JSON: {error.msg} at {place}."
        ) from error
    except UnicodeDecodeError as error:
        raise TrainerFailure(CONFIG_INVALID, f"{path}: is not UTF-8 text.") from error
    if not isinstance(data, dict):
        raise TrainerFailure(CONFIG_INVALID, f"{path}: must hold a JSON object.")
    return data


def _unknown_fields(data: dict[str, Any]) -> list[tuple[str | int, ...]]:
    try:
        TrainerConfig.model_validate(data)
    except ValidationError as error:
        return [e["loc"] for e in error.errors() if e["type"] == "extra_forbidden"]
    return []


def _remove(data: dict[str, Any], location: tuple[str | int, ...]) -> None:
    *parents, last = location
    section: Any = data
    for parent in parents:
        section = section[parent]
    del section[last]


def _explain(error: ValidationError) -> str:
    """One sentence for each wrong field."""
    told = []
    for e in error.errors():
        field = ".".join(map(str, e["loc"]))
        if field:
            told.append(f"{field}: {e['msg']}, not {json.dumps(e['input'], default=str)[:80]}.")
        else:  # A rule across fields, which names them.
            told.append(f"{e['ctx']['error']}.")
    return " ".join(told)


def identity(config: TrainerConfig) -> dict[str, Any]:
    """What decides the result: two runs may share checkpoints if these fields are equal.

    Keys are dotted paths such as `training.seed`.
    """
    return _fields(config, _FREE)


def identity_hash(fields: dict[str, Any]) -> str:
    """SHA-256 of `identity`'s answer, in hex."""
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()


def group_hash(config: TrainerConfig) -> str:
    """SHA-256, in hex, of what processes must have in common to train together.

    One that trains more steps, say, would wait in collectives to which the others never come.
    """
    return identity_hash(_fields(config, _LOCAL))


def _fields(config: TrainerConfig, without: dict[str, Any]) -> dict[str, Any]:
    sections = config.model_dump(mode="json", by_alias=False, exclude=without)
    aliases = {name: type(getattr(config, name)).model_fields for name in sections}
    return {
        f"{section}.{aliases[section][field].alias or field}": value
        for section, fields in sections.items()
        for field, value in fields.items()
    }
