"""Which tag is offered: the table of cases, what no choice may ever do, and how an offer is kept."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.adapters.patterns import Re2Patterns
from chalicelib.domain import version as versions
from chalicelib.domain.candidate import (
    TagChoice,
    TagRules,
    choose_tag,
    offer,
    read_tag,
    unchanged,
    update_kind,
    watches_digest,
)
from chalicelib.domain.container import Digest, Image, Platform, Result, UpdateKind
from chalicelib.ports.patterns import BadPattern
from chalicelib.usecases.detect import tag_rules
from tests.builders.detection import a_container

NOW = datetime(2026, 3, 18, 12, 0, tzinfo=UTC)
TABLE = Path(__file__).parent.parent / "data" / "tag_cases.txt"


@dataclass(frozen=True)
class Case:
    """One line of the table."""

    running: str
    tags: tuple[str, ...]
    labels: dict[str, str]
    offered: str


def cases() -> list[Case]:
    found = []
    for line in TABLE.read_text().splitlines():
        if line and not line.startswith("#"):
            running, tags, labels, offered = re.split(r" \|(?= |$)", line)
            pairs = dict(label.strip().split("=", 1) for label in labels.split(" ; ") if label.strip())
            found.append(Case(running.strip(), tuple(tags.split()), pairs, offered.strip()))
    return found


def choose(case: Case) -> TagChoice:
    container = a_container(
        include_tags=case.labels.get("include"),
        exclude_tags=case.labels.get("exclude"),
        transform_tags=case.labels.get("transform"),
        tag_family=case.labels.get("family"),
    )
    return choose_tag(case.running, case.tags, tag_rules(container, Re2Patterns()))


def in_words(choice: TagChoice) -> str:
    if choice.tag:
        return choice.tag
    if choice.suggested:
        return f"advice {choice.suggested}"
    return "why" if choice.reason else "-"


@pytest.mark.parametrize("case", cases(), ids=lambda case: f"{case.running}|{' '.join(case.tags)[:60]}")
def test_the_table_of_tags(case: Case) -> None:
    if case.offered == "error":
        with pytest.raises(BadPattern):
            choose(case)
    else:
        assert in_words(choose(case)) == case.offered


def test_the_table_has_at_least_three_hundred_cases() -> None:
    assert len(cases()) >= 300
    assert len({(case.running, case.tags, str(case.labels)) for case in cases()}) == len(cases())


def test_the_order_of_the_tag_list_does_not_matter() -> None:
    for case in cases():
        if case.offered != "error":
            backwards = replace(case, tags=tuple(reversed(case.tags)))
            assert choose(backwards) == choose(case)


words = st.sampled_from(
    (
        *("", "-alpine", "-slim", "-alpine3.18", "-ls12", "-rc1", "-beta.2", "-pg16", "-arm64", "-abc1234"),
        *("-arm-v7", "-1234567", "-abc1234-ls3", "-1234567-ls2", "-ea-2"),
    )
)
numbers = st.lists(st.integers(0, 2030), min_size=1, max_size=4).map(lambda runs: ".".join(map(str, runs)))
PREFIXES = ["", "v", "release-", "main-1a2b3c4-", "main-9f8e7d6-", "alpine-arm64v8-", "pg16-"]
shaped = st.builds(lambda v, runs, end: f"{v}{runs}{end}", st.sampled_from(PREFIXES), numbers, words)
tags = st.one_of(shaped, st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True))
families = st.sampled_from([TagRules(), TagRules(family="loose")])


@given(tags, st.lists(tags, max_size=20), families)
def test_a_lower_or_equal_version_is_never_offered(running: str, available: list[str], rules: TagRules) -> None:
    choice = choose_tag(running, available, rules)
    if choice.tag is not None:
        old, new = versions.parse(running), versions.parse(choice.tag)
        assert old is not None and new is not None
        assert new.order > old.order
        assert not old.is_newer_than(new)


@given(tags, st.lists(tags, max_size=20), families)
def test_another_variant_is_never_offered(running: str, available: list[str], rules: TagRules) -> None:
    choice = choose_tag(running, available, rules)
    if choice.tag is not None:
        old, new = versions.parse(running), versions.parse(choice.tag)
        assert old is not None and new is not None
        assert bool(old.suffix) == bool(new.suffix) or old.prerelease
        letters = [re.sub(r"[^a-z]", "", version.template.replace("<commit>", "")) for version in (old, new)]
        assert letters[0] == letters[1] or old.prerelease or re.fullmatch(r"(r|rev|ls|build|p|patch)*", _rest(*letters))
        assert old.prerelease or not new.prerelease


def _rest(one: str, other: str) -> str:
    short, long = sorted((one, other), key=len)
    return long.removeprefix(short)


@given(tags, st.lists(tags, max_size=20))
def test_what_is_offered_is_a_tag_of_the_repository(running: str, available: list[str]) -> None:
    hide = TagRules(transform=lambda tag: re.sub(r"^\D+", "", tag) or tag)
    for rules in (TagRules(), hide):
        choice = choose_tag(running, available, rules)
        assert choice.tag is None or choice.tag in available
        assert choice.suggested is None or choice.suggested in available


@given(st.lists(tags, min_size=3, max_size=3))
def test_the_order_of_versions_is_total(three: list[str]) -> None:
    parsed = [version for version in map(versions.parse, three) if version is not None]
    for a in parsed:
        assert not a.is_newer_than(a)
        for b in parsed:
            assert (a.order < b.order) + (a.order > b.order) + (a.order == b.order) == 1
            assert not (a.is_newer_than(b) and b.is_newer_than(a))
            for c in parsed:
                assert not (a.order < b.order < c.order) or a.order < c.order


@given(tags, st.lists(tags, max_size=12))
def test_taking_every_offer_comes_to_an_end(running: str, available: list[str]) -> None:
    for _ in range(len(available) + 1):
        choice = choose_tag(running, available, TagRules())
        if choice.tag is None:
            return
        running = choice.tag
    pytest.fail("the offers go round in circles")


@pytest.mark.parametrize(
    ("wish", "tag", "watched"),
    [
        (None, "1.2.3", False),
        (None, "2025-08-05", False),
        (None, "1.25", True),
        (None, "16-alpine", True),
        (None, "latest", True),
        (None, "bookworm", True),
        (None, "nightly-2024.1.1", True),
        (None, "sha256:" + "a" * 64, True),
        (True, "1.2.3", True),
        (False, "latest", False),
    ],
)
def test_what_is_meant_to_move_is_watched_by_digest(wish: bool | None, tag: str, watched: bool) -> None:
    assert watches_digest(wish, read_tag(tag, unchanged)) is watched


def image(
    tag: str = "1.0.0", *, watch: bool = False, digest: str | None = None, created: datetime | None = None
) -> Image:
    read = read_tag(tag, unchanged)
    return Image("sha256:1", "hub.public", "", "web", read, Digest(watch, digest), Platform("amd64", "linux"), created)


def test_another_tag_is_a_tag_update_with_its_distance() -> None:
    assert update_kind(image("1.0.0"), Result("1.1.0"), unchanged) == UpdateKind("tag", "1.0.0", "1.1.0", "minor")


def test_a_tag_update_of_a_word_has_no_distance() -> None:
    assert update_kind(image("latest"), Result("1.1.0"), unchanged) == UpdateKind("tag", "latest", "1.1.0", "unknown")


def test_tags_that_transform_alike_are_no_update() -> None:
    assert update_kind(image("v1"), Result("1"), lambda tag: tag.removeprefix("v")) is None


def test_a_transform_does_not_show_in_what_is_offered() -> None:
    kind = update_kind(image("1.0.0-x"), Result("1.1.0-y"), lambda tag: tag[:5])
    assert kind == UpdateKind("tag", "1.0.0-x", "1.1.0-y", "minor")


def test_another_digest_counts_only_where_it_is_watched() -> None:
    watched, not_watched = image("latest", watch=True, digest="sha256:a"), image("latest", digest="sha256:a")
    assert update_kind(watched, Result("latest", digest="sha256:b"), unchanged) == UpdateKind(
        "digest", "sha256:a", "sha256:b", "unknown"
    )
    assert update_kind(not_watched, Result("latest", digest="sha256:b"), unchanged) is None


def test_a_new_date_on_the_same_digest_is_no_update() -> None:
    running = image("latest", watch=True, digest="sha256:a", created=NOW)
    assert update_kind(running, Result("latest", digest="sha256:a", created=NOW + timedelta(1)), unchanged) is None


def test_a_new_date_counts_where_there_is_no_digest_to_compare() -> None:
    running = image("latest", watch=True, created=NOW)
    assert update_kind(running, Result("latest", created=NOW + timedelta(1)), unchanged) == UpdateKind()
    assert update_kind(running, Result("latest", created=NOW), unchanged) is None


TAG = UpdateKind("tag", "1.0.0", "1.1.0", "minor")
LATER = NOW + timedelta(hours=1)


def test_a_candidate_keeps_its_clock_while_it_is_the_same() -> None:
    first = offer(TAG, Result("1.1.0"), None, None, NOW)
    assert first is not None and first.detected_at == NOW
    again = offer(TAG, Result("1.1.0"), first, Result("1.1.0"), LATER)
    assert again == first


def test_a_newer_candidate_starts_its_own_clock() -> None:
    first = offer(TAG, Result("1.1.0"), None, None, NOW)
    newer = offer(replace(TAG, remote_value="1.2.0"), Result("1.2.0"), first, Result("1.1.0"), LATER)
    assert newer is not None and newer.detected_at == LATER


def test_a_moved_digest_starts_a_new_clock() -> None:
    kind = UpdateKind("digest", "sha256:a", "sha256:b")
    first = offer(kind, Result("latest", digest="sha256:b"), None, None, NOW)
    moved = offer(kind, Result("latest", digest="sha256:c"), first, Result("latest", digest="sha256:b"), LATER)
    assert moved is not None and moved.detected_at == LATER


def test_a_digest_that_was_not_learnt_this_time_does_not_restart_the_clock() -> None:
    first = offer(TAG, Result("1.1.0", digest="sha256:b"), None, None, NOW)
    again = offer(TAG, Result("1.1.0"), first, Result("1.1.0", digest="sha256:b"), LATER)
    assert again is not None and again.detected_at == NOW


def test_without_an_update_there_is_no_candidate() -> None:
    first = offer(TAG, Result("1.1.0"), None, None, NOW)
    assert offer(None, Result("1.0.0"), first, Result("1.1.0"), LATER) is None


def test_only_a_trusted_publish_date_counts() -> None:
    date = NOW - timedelta(days=3)
    trusted = offer(TAG, Result("1.1.0", published_at=date, published_at_trusted=True), None, None, NOW)
    guessed = offer(TAG, Result("1.1.0", published_at=date), None, None, NOW)
    assert trusted is not None and trusted.published_at == date
    assert guessed is not None and guessed.published_at is None
