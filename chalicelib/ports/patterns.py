"""The operator's patterns, compiled by an engine that cannot be made to run for ever."""

from __future__ import annotations

from typing import Protocol

from chalicelib.domain.candidate import Matcher, Transform
from chalicelib.domain.errors import Invalid

MAX_PATTERN_LENGTH = 1024


class BadPattern(Invalid):
    """A pattern or transform that cannot be used; the message names it and says why."""


class PatternCompiler(Protocol):
    """Turns what operators write in labels into something that reads tags."""

    def matcher(self, pattern: str) -> Matcher:
        """A pattern searched for anywhere in a tag. Raises BadPattern."""
        ...

    def transform(self, formula: str) -> Transform:
        """`pattern => replacement with $1`: tags that do not match stay as they are. Raises BadPattern."""
        ...
