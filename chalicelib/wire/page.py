"""The envelope of lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode


def envelope(
    data: Sequence[Any], *, total: int, limit: int, offset: int, path: str, query: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    """One page with the effective limit and offset; links to itself and the next page when it is limited.

    `query` is the request's own: every other parameter is kept in the links, by its first value.
    """
    has_more = limit > 0 and offset + len(data) < total
    body: dict[str, Any] = {"data": data, "total": total, "limit": limit, "offset": offset, "hasMore": has_more}
    if limit > 0:
        links = {"self": _link(path, query, limit, offset)}
        if has_more:
            links["next"] = _link(path, query, limit, offset + max(len(data), limit))
        body["_links"] = links
    return body


def _link(path: str, query: Mapping[str, Sequence[str]], limit: int, offset: int) -> str:
    kept = {name: values[0] for name, values in query.items() if values and name not in ("limit", "offset")}
    return f"{path}?{urlencode({**kept, 'limit': limit, 'offset': offset})}"
