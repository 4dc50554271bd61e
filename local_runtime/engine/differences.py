"""Owns what a move to another image changes about a container: create arguments compared field by field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.domain.environment import MASK, is_sensitive, without_user_info
from local_runtime.engine.image_defaults import PLAIN
from local_runtime.engine.replica import Replica

Document = Mapping[str, Any]

_BY_NAME = ("Labels", "ExposedPorts", "Volumes", "Healthcheck")
_PARTS = ("HostConfig", "NetworkingConfig")
_ABSENT = None


@dataclass(frozen=True, slots=True)
class Difference:
    """One field of the create arguments, with what it is and what it would be; None where it is absent.

    `path` is written with dots: `Image`, `Env.PATH`, `Labels.maintainer`, `HostConfig.Runtime`.
    """

    path: str
    before: Any
    after: Any


def differences(before: Replica, old_image: Document, after: Replica, new_image: Document) -> list[Difference]:
    """What differs between two create calls, filled up from their images (inspect documents) as the engine does.

    The values of variables whose names speak of secrets are masked on both sides.
    """
    left, right = _flat(before, old_image), _flat(after, new_image)
    changed = [path for path in sorted(left.keys() | right.keys()) if left.get(path) != right.get(path)]
    return [Difference(path, _shown(path, left.get(path)), _shown(path, right.get(path))) for path in changed]


def _flat(replica: Replica, image: Document) -> dict[str, Any]:
    found: dict[str, Any] = {}
    defaults: Document = image.get("Config") or {}
    own = {key: value for key, value in replica.body.items() if key not in _PARTS}
    found |= {f"Env.{name}": value for name, value in _environment(own.pop("Env", None), defaults.get("Env"))}
    for key in _BY_NAME:
        merged = {**(defaults.get(key) or {}), **(own.pop(key, None) or {})}
        found |= {f"{key}.{name}": value for name, value in merged.items() if value not in (None, 0)}
    if not own.get("Entrypoint"):
        own["Entrypoint"] = defaults.get("Entrypoint")
        own["Cmd"] = own.get("Cmd") or defaults.get("Cmd")
    for key in PLAIN:
        own[key] = own.get(key) or defaults.get(key)
    found |= {key: value for key, value in own.items() if value not in (None, "", [])}
    for part in _PARTS:
        found |= {f"{part}.{name}": value for name, value in (replica.body.get(part) or {}).items()}
    return found | {f"Networks.{network}": endpoint for network, endpoint in replica.connect}


def _environment(own: list[str] | None, inherited: list[str] | None) -> Iterator[tuple[str, str]]:
    merged = dict(entry.partition("=")[::2] for entry in [*(inherited or []), *(own or [])])
    yield from merged.items()


def _shown(path: str, value: Any) -> Any:
    kind, _, name = path.partition(".")
    if kind != "Env" or value is _ABSENT:
        return value
    return MASK if is_sensitive(name) else without_user_info(str(value))
