"""Thresholds: which updates a trigger acts on."""

from __future__ import annotations

import pytest

from chalicelib.domain.container import UpdateKind
from chalicelib.domain.threshold import THRESHOLDS, accepts

EVERY = {
    "major": UpdateKind("tag", "1", "2", "major"),
    "minor": UpdateKind("tag", "1", "2", "minor"),
    "patch": UpdateKind("tag", "1", "2", "patch"),
    "prerelease": UpdateKind("tag", "1", "2", "prerelease"),
    "undiffed": UpdateKind("tag", "1", "2", "unknown"),
    "digest": UpdateKind("digest", "a", "b"),
    "unknown": UpdateKind(),
}


@pytest.mark.parametrize(
    ("threshold", "accepted"),
    [
        ("all", "major minor patch prerelease undiffed digest unknown"),
        ("major", "major minor patch prerelease undiffed digest"),
        ("minor", "minor patch prerelease undiffed digest"),
        ("patch", "patch prerelease undiffed digest"),
        ("major-only", "major undiffed digest"),
        ("minor-only", "minor undiffed digest"),
        ("digest", "digest"),
        ("all-no-digest", "major minor patch prerelease undiffed unknown"),
        ("major-no-digest", "major minor patch prerelease undiffed"),
        ("minor-no-digest", "minor patch prerelease undiffed"),
        ("patch-no-digest", "patch prerelease undiffed"),
        ("major-only-no-digest", "major undiffed"),
        ("minor-only-no-digest", "minor undiffed"),
        ("MINOR", "minor patch prerelease undiffed digest"),
    ],
)
def test_a_threshold_lets_through(threshold: str, accepted: str) -> None:
    assert [name for name, kind in EVERY.items() if accepts(threshold, kind)] == accepted.split()


def test_every_threshold_word_is_known() -> None:
    assert {"all", "major", "minor", "patch", "digest", "major-only", "minor-only-no-digest"} <= THRESHOLDS
