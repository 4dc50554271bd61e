"""Expressions of templates, read into a tree: paths, calls, literals, `&& || ! ? : +` and comparisons; no more."""

from __future__ import annotations

import re
from typing import Any

LONGEST = 4096
_MOST_TOKENS = 500
_DEEPEST = 40
_TOKEN = re.compile(
    r"""\s*(?:(?P<number>\d{1,15}(?:\.\d{1,15})?)|(?P<name>[A-Za-z_$][A-Za-z0-9_$]*)"""
    r"""|(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
    r"""|(?P<operator>===|!==|==|!=|<=|>=|&&|\|\||[<>!?:+.,()\[\]-]))""",
    re.DOTALL,
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}
_WORDS = {"true": True, "false": False, "null": None, "undefined": None}
_COMPARISONS = ("===", "!==", "==", "!=", "<=", ">=", "<", ">")

Node = tuple[Any, ...]
Token = tuple[str, str]


class BadExpression(Exception):
    """An expression that is not allowed, or no expression."""


def parse(expression: str) -> Node:
    """The expression as nested tuples, each with its kind first. Raises BadExpression."""
    reader = _Parser(_tokens(expression))
    tree = reader.choice(0)
    if reader.peek() != ("end", ""):
        raise BadExpression("something follows its end")
    return tree


def _tokens(expression: str) -> list[Token]:
    if len(expression) > LONGEST:
        raise BadExpression("too long")
    found: list[Token] = []
    at, end = 0, len(expression.rstrip())
    while at < end:
        match = _TOKEN.match(expression, at)
        if match is None or match.lastgroup is None or len(found) >= _MOST_TOKENS:
            raise BadExpression("not an expression")
        found.append((match.lastgroup, match[match.lastgroup]))
        at = match.end()
    return [*found, ("end", "")]


class _Parser:
    """Reads by recursive descent, from what binds least to what binds most."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._at = 0

    def peek(self) -> Token:
        return self._tokens[self._at]

    def choice(self, depth: int) -> Node:
        if depth > _DEEPEST:
            raise BadExpression("too deep")
        condition = self._either(depth)
        if not self._takes("?"):
            return condition
        yes = self.choice(depth + 1)
        self._must(":")
        return ("choice", condition, yes, self.choice(depth + 1))

    def _either(self, depth: int) -> Node:
        left = self._both(depth)
        while self._takes("||"):
            left = ("||", left, self._both(depth))
        return left

    def _both(self, depth: int) -> Node:
        left = self._comparison(depth)
        while self._takes("&&"):
            left = ("&&", left, self._comparison(depth))
        return left

    def _comparison(self, depth: int) -> Node:
        left = self._addition(depth)
        for operator in _COMPARISONS:
            if self._takes(operator):
                return (operator, left, self._addition(depth))
        return left

    def _addition(self, depth: int) -> Node:
        left = self._unary(depth)
        while self._takes("+"):
            left = ("+", left, self._unary(depth))
        return left

    def _unary(self, depth: int) -> Node:
        if depth > _DEEPEST:
            raise BadExpression("too deep")
        if self._takes("!"):
            return ("not", self._unary(depth + 1))
        if self._takes("-"):
            kind, text = self._next()
            if kind != "number":
                raise BadExpression("a minus before what is no number")
            return ("literal", -_number(text))
        return self._path(depth)

    def _path(self, depth: int) -> Node:
        node = self._primary(depth)
        while True:
            if self._takes("."):
                kind, name = self._next()
                if kind != "name":
                    raise BadExpression("no name after the dot")
                node = ("call", node, name, self._arguments(depth)) if self._takes("(") else ("member", node, name)
            elif self._takes("["):
                node = ("index", node, self.choice(depth + 1))
                self._must("]")
            else:
                return node

    def _arguments(self, depth: int) -> tuple[Node, ...]:
        found: list[Node] = []
        while not self._takes(")"):
            if found:
                self._must(",")
            found.append(self.choice(depth + 1))
        return tuple(found)

    def _primary(self, depth: int) -> Node:
        if self._takes("("):
            node = self.choice(depth + 1)
            self._must(")")
            return node
        kind, text = self._next()
        if kind == "number":
            return ("literal", _number(text))
        if kind == "text":
            return ("literal", re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[1]), text[1:-1], flags=re.S))
        if kind == "name":
            return ("literal", _WORDS[text]) if text in _WORDS else ("name", text)
        raise BadExpression("no value")

    def _next(self) -> Token:
        token = self._tokens[self._at]
        if token[0] == "end":
            raise BadExpression("it ends too early")
        self._at += 1
        return token

    def _takes(self, operator: str) -> bool:
        if self._tokens[self._at] != ("operator", operator):
            return False
        self._at += 1
        return True

    def _must(self, operator: str) -> None:
        if not self._takes(operator):
            raise BadExpression(f"{operator} is missing")


def _number(text: str) -> int | float:
    return float(text) if "." in text else int(text)
