"""The shape of tags: numbers, words, dates, distance."""

from __future__ import annotations

import pytest

from chalicelib.domain import version as versions
from chalicelib.domain.link import render_link

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("tag", "prefix", "runs", "template", "numbers"),
    [
        ("1.2.3", "", (1, 2, 3), "", ()),
        ("v1.2.3", "v", (1, 2, 3), "", ()),
        ("1", "", (1,), "", ()),
        ("16-alpine", "", (16,), "-alpine", ()),
        ("1.25-Alpine3.18", "", (1, 25), "-alpine#.#", (3, 18)),
        ("4.0.16.2944-ls299", "", (4, 0, 16, 2944), "-ls#", (299,)),
        ("1.43.3.10896-8f4248874", "", (1, 43, 3, 10896), "-<commit>", ()),
        ("2025-08-05", "", (2025, 8, 5), "", ()),
        ("20250805", "", (2025, 8, 5), "", ()),
        ("RELEASE.2024-01-16T16-07-38Z", "RELEASE.", (2024, 1, 16), "t#-#-#z", (16, 7, 38)),
        ("pg16-v0.2.0", "pg16-v", (0, 2, 0), "", ()),
        ("1.2.3-arm64v8", "", (1, 2, 3), "-arm64v8", ()),
        ("8u302-b08", "", (8,), "u#-b#", (302, 8)),
        ("main-1a2b3c4-1700000000", "main-<commit>-", (1700000000,), "", ()),
        ("jammy-20231211.1", "jammy-", (2023, 12, 11, 1), "", ()),
        ("linux-arm-v7-1.2", "linux-arm-v7-", (1, 2), "", ()),
        ("arm-v17.2.0", "arm-v", (17, 2, 0), "", ()),
        ("php8.2-fpm", "php", (8, 2), "-fpm", ()),
    ],
)
def test_a_tag_is_taken_apart(
    tag: str, prefix: str, runs: tuple[int, ...], template: str, numbers: tuple[int, ...]
) -> None:
    found = versions.parse(tag)
    assert found is not None
    assert (found.prefix, found.runs, found.template, found.numbers) == (prefix, runs, template, numbers)


@pytest.mark.parametrize(
    "tag",
    (
        *("latest", "stable", "bookworm", DIGEST, "a1b2c3d", "sha-1234567", "arm64v8-latest", ""),
        *("latest-armv6", "main-1a2b3c4", "latest-pg16", "pr-12", "ltsc2022"),
    ),
)
def test_what_has_no_order_is_no_version(tag: str) -> None:
    assert versions.parse(tag) is None


@pytest.mark.parametrize(
    ("tag", "precision"),
    [
        ("1.2.3", "specific"),
        ("1.2.3.4", "specific"),
        ("v1.2.3-alpine", "specific"),
        ("2025-08-05", "specific"),
        ("1.2", "floating"),
        ("16-alpine", "floating"),
        ("latest", "floating"),
        ("bookworm", "floating"),
        ("nightly-1.2.3", "floating"),
        ("edge-2024.1.1", "floating"),
        ("stable-1.2.3", "floating"),
        (DIGEST, "floating"),
    ],
)
def test_three_numbers_make_a_tag_specific(tag: str, precision: str) -> None:
    assert versions.precision(tag) == precision


@pytest.mark.parametrize(
    ("current", "candidate", "difference"),
    [
        ("1.2.3", "2.0.0", "major"),
        ("1.2.3", "1.3.0", "minor"),
        ("1.2.3", "1.2.4", "patch"),
        ("2021.6.4", "2021.6.5", "patch"),
        ("1.2.3", "2.0.0-rc1", "major"),
        ("1.2.3", "1.3.0-rc1", "minor"),
        ("1.2.3", "1.2.4-rc1", "patch"),
        ("1.2.3-rc1", "1.2.3-rc2", "prerelease"),
        ("1.2.3-rc1", "1.2.3", "patch"),
        ("1.2.0-rc1", "1.2.0", "minor"),
        ("2.0.0-rc1", "2.0.0", "major"),
        ("4.0.16.2944", "4.0.16.2945", "prerelease"),
        ("4.0.16.2944", "4.0.17.1", "patch"),
        ("1.2.3-ls1", "1.2.3-ls2", "prerelease"),
        ("16", "17", "major"),
        ("16-alpine", "17-alpine", "major"),
        ("1.25", "1.26", "minor"),
        ("1.25-alpine3.18", "1.25-alpine3.19", "unknown"),
        ("2025-08-05", "2025-09-01", "minor"),
        ("2.0.0", "1.0.0", "major"),
        ("1.2.3", "1.2.3", "unknown"),
        ("latest", "1.2.3", "unknown"),
    ],
)
def test_the_distance_between_two_tags(current: str, candidate: str, difference: str) -> None:
    assert versions.difference(current, candidate) == difference


@pytest.mark.parametrize(
    ("template", "tag", "link"),
    [
        ("https://x/${original}", "v1.2.3-rc.1", "https://x/v1.2.3-rc.1"),
        ("${major}.${minor}.${patch}", "v1.2.3", "1.2.3"),
        ("${major}.${minor}.${patch}", "16", "16.0.0"),
        ("${prerelease}", "1.2.3-rc.1", "rc"),
        ("${prerelease}", "4.0.16.2944", "2944"),
        ("[${prerelease}]", "1.2.3", "[]"),
        ("[${major}]", "latest", "[]"),
        ("[${nonsense}]", "1.2.3", "[]"),
        ("${raw}/${transformed}", "v1.2.3", "v1.2.3/1.2.3"),
        ("no placeholders", "1", "no placeholders"),
    ],
)
def test_a_link_template_is_filled(template: str, tag: str, link: str) -> None:
    assert render_link(template, tag, lambda text: text.removeprefix("v")) == link


def test_without_a_template_there_is_no_link() -> None:
    assert render_link(None, "1.2.3", str) is None
    assert render_link("", "1.2.3", str) is None
