"""Reads the contract, a page of text: which requests, parameters, fields, statuses and codes it names; no more.

The page itself is not ours to carry along; what it names is kept in tests/data/container-contract.json.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

SECTIONS = (
    "Get all containers",
    "Get container summary",
    "Get recent container status",
    "Watch all Containers",
    "Get a Container by id",
    "Get all triggers associated to the container",
    "Watch a Container",
    "Run a trigger on the container",
    "Update a container",
    "Update container update policy (skip/snooze)",
    "Get security vulnerability overview",
    "Get latest vulnerability scan result",
    "Run an on-demand security scan",
    "Get SBOM for a container",
    "Download container logs",
    "Stream container logs (WebSocket)",
    "Reveal container environment variables",
    "Start a container",
    "Stop a container",
    "Restart a container",
    "Preview an update",
    "List all backups",
    "Get container backups",
    "Rollback a container",
    "Get update/rollback history",
    "Get container stats",
    "Get single container stats",
    "Stream container stats (SSE)",
    "Get container release notes",
    "Delete a Container",
)

_BASE = "/api/v1"
_ID = re.compile(r"[0-9a-f]{64}|:id\b")
_METHOD = re.compile(
    r"curl (?:-X ([A-Z]+) )?\"?http://drydock:3000(/[^\s\"'`]*)|^(GET) (/api\S+)|(ws)://drydock:3000(/\S*)",
    re.MULTILINE,
)
_ROW = re.compile(r"^(?:\| )?([\w.\[\]]+) \| (\w+) \|(.*)$")
_CODE_ROW = re.compile(r"^(?:\| )?(\d{4}) \|")
_ACTION = re.compile(r'"action":"([a-z-]+)"')
_NAMED_ACTION = re.compile(
    r"\b(skip-current|remove-skip|clear-skips|snooze|unsnooze|clear|set-maturity-policy|clear-maturity-policy):"
)
_TRIGGER = re.compile(r"/triggers/ntfy/one(/agent1)?")


def facts(text: str) -> dict[str, dict[str, Any]]:
    """By section: `requests`, and what there is of `parameters` (with the words they take), `fields` (with their
    types), `statuses`, `closeCodes`, `actions` and `header`."""
    return {title: _facts(body) for title, body in _sections(text)}


def _sections(text: str) -> Iterator[tuple[str, str]]:
    starts, at = [], 0
    for title in SECTIONS:
        at = text.index(title, at)
        starts.append(at)
        at += len(title)
    for title, start, end in zip(SECTIONS, starts, [*starts[1:], len(text)], strict=True):
        yield title, text[start + len(title) : end]


def _facts(body: str) -> dict[str, Any]:
    found: dict[str, Any] = {"requests": list(dict.fromkeys(_requests(body)))}
    parameters: dict[str, list[str]] = {}
    fields: dict[str, str] = {}
    for line in body.splitlines():
        row = _ROW.match(line)
        if row is None or row[1] in ("Parameter", "Field", "Code"):
            continue
        name, kind, rest = row[1], row[2], row[3]
        if "Query parameters" in body and body.index(line) > body.index("Query parameters") and not _after(body, line):
            parameters[name] = _words(rest)
        else:
            fields[name] = kind
    for name, value in _example(body).items():
        fields.setdefault(name, value)
    fields = {name: kind for name, kind in _placed(fields).items() if not _is_example_of_a_map(name, fields)}
    statuses = sorted({int(code) for sentence in re.findall(r"Returns 20[^\n]*", body) for code in _codes(sentence)})
    found |= {"parameters": parameters, "fields": fields, "statuses": statuses}
    codes = [match[1] for line in body.splitlines() if (match := _CODE_ROW.match(line))]
    actions = sorted(
        {*_ACTION.findall(body), *_NAMED_ACTION.findall(body.replace("snoozeUntil", " "))} if "PATCH" in body else ()
    )
    headers = re.findall(r"-H '(X-DD-[\w-]+: [\w-]+)'", body)
    found |= {"closeCodes": codes, "actions": actions, "header": headers[0] if headers else ""}
    return {name: value for name, value in found.items() if value}


def _placed(fields: dict[str, str]) -> dict[str, str]:
    """A table of what entries of a list hold names their members alone; the example shows where they are."""
    in_entries = any(f"data[].{name}" in fields for name in fields)
    envelope = {"data", "total", "limit", "offset", "hasMore"}
    return {
        name if not in_entries or name.startswith("data") or name in envelope else f"data[].{name}": kind
        for name, kind in fields.items()
    }


def _is_example_of_a_map(name: str, fields: dict[str, str]) -> bool:
    return f"{name.partition('.')[0]}[name]" in fields and "." in name


def _after(body: str, line: str) -> bool:
    """Whether a table of fields has begun between the parameters and this row."""
    begun = body.index("Query parameters")
    return any(mark in body[begun : body.index(line)] for mark in ("Message format", "Response fields", "| Field |"))


def _codes(sentence: str) -> list[str]:
    return re.findall(r"\b([2-5]\d\d)\b", sentence)


def _words(rest: str) -> list[str]:
    """The words a parameter takes, where its description ends in a list of them."""
    listed = re.search(r"(?:: |override: )([-\w]+(?:(?:, | or )[-\w]+)+)", rest)
    return re.split(r", | or ", listed[1]) if listed else []


def _requests(body: str) -> Iterator[str]:
    for match in _METHOD.finditer(body.replace(" \\\n", " ")):
        method = match[1] or ("WS" if match[5] else "GET")
        path = (match[2] or match[4] or match[6] or "").partition("?")[0].replace("{id}", ":id")
        # Headings follow some paths without a space between.
        path = _cut(
            _TRIGGER.sub(lambda one: "/triggers/:type/:name" + ("/:agent" if one[1] else ""), _ID.sub(":id", path))
        )
        yield f"{method} {path.removeprefix(_BASE)}"


def _cut(path: str) -> str:
    words = "watch|triggers|start|stop|restart|update-policy|update|scan|preview|rollback|sbom|logs|vulnerabilities"
    return re.sub(rf"^(.*/(?:{words}|:type/:name(?:/:agent)?))[A-Z].*$", r"\1", path)


def _example(body: str) -> dict[str, str]:
    """The members of the example answer; lists are walked through their first element."""
    start = body.find("\n{")
    if start < 0:
        return {}
    # Some values hold quotation marks, and some lists a comma too many.
    text = re.sub(r'^("\w+": ?)".*"(,?)$', r'\1"…"\2', body[start + 1 :], flags=re.MULTILINE)
    text = re.sub(r",(\s*[}\]])", r"\1", text)
    answer, _ = json.JSONDecoder(strict=False).raw_decode(text)
    return dict(_members(answer))


def _members(value: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, list):
        for one in value:
            yield from _members(one, f"{prefix}[]")
        return
    if not isinstance(value, dict):
        return
    for name, inner in value.items():
        at = f"{prefix}.{name}" if prefix else name
        if isinstance(inner, dict | list) and inner:
            yield from _members(inner, at)
        else:
            yield at, _KINDS[type(inner)]


_KINDS = {str: "string", bool: "boolean", int: "integer", float: "number", dict: "object", list: "array"}
