"""A trigger's threshold: which updates are worth acting on (engine-spec §9.1)."""

from __future__ import annotations

from chalicelib.domain.container import UpdateKind

_NO_DIGEST = "-no-digest"
_REJECTED = {
    "minor": frozenset({"major"}),
    "patch": frozenset({"major", "minor"}),
}
_EXACT = {"major-only": "major", "minor-only": "minor"}
THRESHOLDS = frozenset(
    {"all", "digest"} | {word + end for word in ("all", "major", "minor", "patch", *_EXACT) for end in ("", _NO_DIGEST)}
)
"""Every word a trigger may be configured with."""


def accepts(threshold: str, kind: UpdateKind) -> bool:
    """Whether an update of this kind passes. An unknown threshold word restricts nothing beyond its suffix."""
    word = threshold.lower()
    if word.endswith(_NO_DIGEST):
        if kind.kind == "digest":
            return False
        word = word.removesuffix(_NO_DIGEST)
    if word == "all":
        return True
    if kind.kind == "unknown":
        return False
    if word == "digest":
        return kind.kind == "digest"
    if kind.kind != "tag" or kind.semver_diff == "unknown":
        return True
    if word in _EXACT:
        return kind.semver_diff == _EXACT[word]
    return kind.semver_diff not in _REJECTED.get(word, frozenset())
