"""Which docker trigger a container is updated by: one that keeps its compose file comes before one that keeps none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from chalicelib.domain.compose import FILE_LABEL, Service
from chalicelib.domain.trigger import Trigger

COMPOSE = "dockercompose"
_BOUND, _CATCH_ALL, _DOCKER, _WITHOUT_A_FILE = range(4)


def by_precedence(triggers: Iterable[Trigger], labels: Mapping[str, str]) -> list[Trigger]:
    """Those that can serve the container: bound to its compose file, for every compose file, then plain docker.

    One bound to another file serves it not. Triggers of one rank stay in their order. Exclusion is another's matter.
    """
    ranked = [(rank, trigger) for trigger in triggers if (rank := _rank(trigger, labels)) is not None]
    return [trigger for _, trigger in sorted(ranked, key=lambda pair: pair[0])]


def _rank(trigger: Trigger, labels: Mapping[str, str]) -> int | None:
    if trigger.type != COMPOSE:
        return _DOCKER
    service = Service.of(labels, str(trigger.configuration.get("composefilelabel") or FILE_LABEL))
    if service is None:
        return _WITHOUT_A_FILE
    bound = trigger.configuration.get("file")
    if not bound or not service.files:
        return _CATCH_ALL
    return _BOUND if any(_serves(PurePosixPath(str(bound)), PurePosixPath(file)) for file in service.files) else None


def _serves(bound: PurePosixPath, file: PurePosixPath) -> bool:
    """Whether that is the file, or a folder around it; by its folder's and its own name when mounts tell them apart."""
    if file == bound or file.is_relative_to(bound):
        return True
    return bound.suffix in (".yml", ".yaml") and len(bound.parts) > 2 and bound.parts[-2:] == file.parts[-2:]
