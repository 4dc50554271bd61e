"""The tally of the audit log, as it is stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib.domain.tally import Kind, Tally
from chalicelib.wire import moment


def store(tally: Tally) -> dict[str, Any]:
    """What the store keeps."""
    return {"until": moment.write(tally.until), "counts": [[*kind, count] for kind, count in tally.counts.items()]}


def read(body: Mapping[str, Any]) -> Tally:
    """What it has kept."""
    return Tally(moment.read(body["until"]), {Kind(*words): count for *words, count in body["counts"]})
