"""The operator's link to a version, rendered from a template such as `https://…/releases/tag/${original}`."""

from __future__ import annotations

import re

from chalicelib.domain import version as versions
from chalicelib.domain.candidate import Transform

_PLACEHOLDER = re.compile(r"\$\{\s*(\w*)\s*\}")


def render_link(template: str | None, tag: str, transform: Transform) -> str | None:
    """The link for a tag; unknown names, and numbers of a tag that is no version, render empty."""
    if not template:
        return None
    values = _values(tag, transform(tag))
    return _PLACEHOLDER.sub(lambda found: values.get(found.group(1), ""), template)


def _values(original: str, transformed: str) -> dict[str, str]:
    values = {"original": original, "raw": original, "transformed": transformed}
    parsed = versions.parse(transformed)
    if parsed is None:
        return values
    major, minor, patch = (*parsed.runs, 0, 0)[:3]
    numbers = {"major": str(major), "minor": str(minor), "patch": str(patch)}
    return values | numbers | {"prerelease": _first_prerelease_part(parsed)}


def _first_prerelease_part(version: versions.Version) -> str:
    if len(version.runs) > 3:
        return str(version.runs[3])
    if len(version.runs) < 3:
        return ""
    return re.split(r"[.+]", version.suffix.removeprefix("-"), maxsplit=1)[0]
