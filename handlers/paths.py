"""Paths: find the row for a method and a path; a literal segment wins over a parameter."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import unquote

from handlers.route import Route


@dataclass(frozen=True, slots=True)
class Match:
    """What a path leads to: its routes by method, and the values of its parameters, percent-decoded."""

    routes: dict[str, Route]
    values: tuple[str, ...]

    def route(self, method: str) -> Route | None:
        """The row for a method; HEAD is answered by GET."""
        return self.routes.get("GET" if method == "HEAD" else method)

    def parameters(self, route: Route) -> dict[str, str]:
        """The values under the names this row gives them."""
        names = (part[1:-1] for part in route.path.split("/") if part.startswith("{"))
        return dict(zip(names, self.values, strict=True))

    @property
    def allow(self) -> str:
        """The value of an Allow header."""
        methods = set(self.routes) | {"OPTIONS"} | ({"HEAD"} if "GET" in self.routes else set())
        return ", ".join(sorted(methods))


@dataclass(slots=True)
class _Node:
    literals: dict[str, _Node] = field(default_factory=dict)
    parameter: _Node | None = None
    routes: dict[str, Route] = field(default_factory=dict)


class Paths:
    """The table as a tree of segments."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._root = _Node()
        for route in routes:
            node = self._root
            for segment in route.path[1:].split("/"):
                if segment.startswith("{"):
                    node.parameter = node = node.parameter or _Node()
                else:
                    node = node.literals.setdefault(segment, _Node())
            if route.method in node.routes:
                raise ValueError(f"{route.method} {route.path} is in the table twice.")
            node.routes[route.method] = route

    def match(self, path: str) -> Match | None:
        """What the path leads to; one trailing slash is forgiven."""
        segments = [unquote(part) for part in path.removesuffix("/")[1:].split("/")] if path[:1] == "/" else []
        found = _walk(self._root, segments, 0, ())
        return Match(found[0].routes, found[1]) if found else None


_Found = tuple[_Node, tuple[str, ...]]


def _walk(node: _Node, segments: list[str], index: int, values: tuple[str, ...]) -> _Found | None:
    if index == len(segments):
        return (node, values) if node.routes else None
    segment = segments[index]
    literal = node.literals.get(segment)
    found = _walk(literal, segments, index + 1, values) if literal else None
    if found is None and node.parameter is not None and segment:
        found = _walk(node.parameter, segments, index + 1, (*values, segment))
    return found
