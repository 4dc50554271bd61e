"""Compiles the operator's patterns with RE2, whose matching time is linear in the tag."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import re2

from chalicelib.domain.candidate import Matcher, Transform
from chalicelib.ports.patterns import MAX_PATTERN_LENGTH, BadPattern

_ARROW = re.compile(r"\s*=>\s*")
_PLACEHOLDER = re.compile(r"\$(\d{1,2})")
_REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class Re2Matcher:
    """A compiled pattern."""

    compiled: Any

    def search(self, text: str) -> bool:
        """Whether the pattern is found anywhere in the text."""
        return self.compiled.search(text) is not None


class Re2Patterns:
    """A PatternCompiler. Compiled patterns are remembered; they hold no state and may be shared by threads."""

    def matcher(self, pattern: str) -> Matcher:
        """A pattern searched for anywhere in a tag. Raises BadPattern."""
        return Re2Matcher(_compiled(pattern))

    def transform(self, formula: str) -> Transform:
        """`pattern => replacement with $1`; the replacement alone is the transformed tag. Raises BadPattern."""
        parts = _ARROW.split(formula.strip(), maxsplit=1)
        if len(parts) != 2 or not parts[0]:
            raise BadPattern(f"'{formula}' is not a transform: it should read 'pattern => replacement'")
        compiled, replacement = _compiled(parts[0]), parts[1]

        def apply(tag: str) -> str:
            found = compiled.search(tag)
            if found is None:
                return tag
            groups = (found.group(0), *found.groups())

            def group(placeholder: re.Match[str]) -> str:
                number = int(placeholder.group(1))
                return (groups[number] or "") if number < len(groups) else ""

            return _PLACEHOLDER.sub(group, replacement)

        return apply


@lru_cache(maxsize=_REMEMBERED)
def _compiled(pattern: str) -> Any:
    if len(pattern) > MAX_PATTERN_LENGTH:
        raise BadPattern(f"A pattern may have {MAX_PATTERN_LENGTH} characters; this one has {len(pattern)}")
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0].decode() if error.args and isinstance(error.args[0], bytes) else str(error)
        raise BadPattern(f"'{pattern}' is not a pattern: {reason}") from None
