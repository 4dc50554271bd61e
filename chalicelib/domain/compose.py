"""Compose in words: which project and service made a container, from which files, and how their image is rewritten."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from chalicelib.domain.errors import Invalid
from chalicelib.domain.labels import COMPOSE_PROJECT
from chalicelib.domain.reference import LATEST, Reference

SERVICE = "com.docker.compose.service"
CONFIG_FILES = "com.docker.compose.project.config_files"
WORKING_DIR = "com.docker.compose.project.working_dir"
FILE_LABEL = "dd.compose.file"
_FALLBACK_LABEL = "wud.compose.file"

_LAST_VARIABLE = re.compile(r".*(?:\$\{[^{}]*\}|\$[A-Za-z_][A-Za-z0-9_]*)(?P<rest>[^${}]*)", re.DOTALL)
_LITERAL_TAG = re.compile(r"(?P<name>[^@]*):(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]*)")


class NotEditable(Exception):
    """The file cannot be brought in step with the container; the message says why, and what would help."""


class LeftAlone(NotEditable):
    """The file says its image by a variable: what it comes to is for the operator to change."""


@dataclass(frozen=True, slots=True)
class Service:
    """The compose service a container belongs to; `files` as its labels name them, on the engine's host."""

    project: str
    name: str
    files: tuple[str, ...]

    @classmethod
    def of(cls, labels: Mapping[str, str], file_label: str = FILE_LABEL) -> Service | None:
        """What the labels say; None for a container that compose did not make."""
        name = labels.get(SERVICE)
        if not name:
            return None
        return cls(labels.get(COMPOSE_PROJECT, ""), name, files_of(labels, file_label))


def files_of(labels: Mapping[str, str], file_label: str = FILE_LABEL) -> tuple[str, ...]:
    """The files a container names, in compose's order: what our own label says, else what compose wrote."""
    said = labels.get(file_label) or labels.get(_FALLBACK_LABEL) or labels.get(CONFIG_FILES) or ""
    folder = labels.get(WORKING_DIR, "").rstrip("/")
    names = (name.strip() for name in said.split(","))
    return tuple(name if name.startswith("/") or not folder else f"{folder}/{name}" for name in names if name)


@dataclass(frozen=True, slots=True)
class Move:
    """Where a service's image goes: from `running` to another tag or digest of the same repository.

    `tag` is absent when only the digest moves; `digest` is what that tag leads to, when it is known. `pin` writes it
    down even where the file has none.
    """

    running: Reference
    tag: str | None
    digest: str | None
    pin: bool = False


def rewritten(text: str, move: Move) -> str:
    """The image as a compose file says it, after the move: the same text when the file needs no change.

    The operator's own spelling of the name stays. Raises NotEditable.
    """
    if "$" in text:
        return _behind_variables(text, move)
    try:
        said = Reference.parse(text)
    except Invalid as error:
        raise NotEditable(f"its image in the compose file cannot be read: {error}") from error
    if said.repository != move.running.repository:
        raise NotEditable(f"the compose file says {text}, but the container runs {move.running.familiar}")
    named, _, _ = text.partition("@")
    name, tag = _split_tag(named)
    wanted = move.tag or tag
    if said.digest is None and not move.pin:
        return text if wanted is None or wanted == (said.tag or LATEST) else f"{name}:{wanted}"
    if move.digest is None:
        raise NotEditable(f"the compose file pins {text}, and the digest it moves to is not known")
    written = f"{name}:{wanted}" if wanted else name
    return f"{written}@{move.digest}"


def drift(text: str, move: Move) -> str | None:
    """What is odd about a file that said neither what ran nor what runs now; None when it was in step."""
    if "$" in text:
        return None
    said, ran = Reference.parse(text), move.running
    if said.digest is not None or said.tag in (ran.tag, move.tag) or ran.tag is None:
        return None
    return f"the compose file said {text} while the container ran {ran.familiar}"


def _behind_variables(text: str, move: Move) -> str:
    """A literal tag behind a name with variables in it: `${REGISTRY}/app:1.2`."""
    found = _LAST_VARIABLE.fullmatch(text)
    literal = _LITERAL_TAG.fullmatch(found["rest"]) if found else None
    if found is None or literal is None or "/" in literal["tag"]:
        if move.tag is None and "@" not in text:
            return text
        raise LeftAlone(f"its image is {text}: the tag comes from a variable; change that, or write the tag itself")
    full = f"{move.running.host}/{move.running.path}"
    if not full.endswith(literal["name"]) or literal["tag"] not in (move.running.tag, move.tag):
        raise LeftAlone(f"its image is {text}, which is not seen to be {move.running.familiar}")
    if move.tag is None:
        return text
    return text[: len(text) - len(literal["tag"])] + move.tag


def _split_tag(named: str) -> tuple[str, str | None]:
    colon = named.find(":", named.rfind("/") + 1)
    return (named, None) if colon < 0 else (named[:colon], named[colon + 1 :])
