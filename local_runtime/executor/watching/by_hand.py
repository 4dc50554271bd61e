"""A check that somebody asked for: of every watcher, each on its own, or of a few containers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from chalicelib.domain.command import Command, subjects
from chalicelib.domain.container import Identity
from chalicelib.domain.errors import NotFound, SlipwayError
from local_runtime.executor.watching.watcher import Watcher


def watch(watchers: Mapping[str, Watcher], command: Command) -> dict[str, Any]:
    """How many containers were `checked`, and the `problems` of watchers that could not be read, by name.

    What registries answered before the command was given does not count. Raises the problem when nothing could be read.
    """
    wanted = subjects(command)
    if not watchers:
        return {"checked": 0}
    chosen: dict[str, Sequence[Identity] | None] = dict.fromkeys(watchers)
    if wanted is not None:
        chosen = {name: [one for one in wanted if one.watcher == name] for name in {one.watcher for one in wanted}}
    for name in chosen:
        if name not in watchers:
            raise NotFound(f"this executor has no watcher named {name}")
    checked, problems = 0, {}
    with ThreadPoolExecutor(max(1, len(chosen)), thread_name_prefix="watch") as pool:
        scans = {
            name: pool.submit(watchers[name].scan, only, since=command.created_at) for name, only in chosen.items()
        }
        for name, scan in scans.items():
            try:
                checked += scan.result()
            except SlipwayError as error:
                problems[name] = error
    if problems and len(problems) == len(chosen):
        raise next(iter(problems.values()))
    said = {"problems": {name: str(error) for name, error in problems.items()}} if problems else {}
    return {"checked": checked, **said}
