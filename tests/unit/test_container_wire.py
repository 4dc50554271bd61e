"""A container comes back from the store as it went in, and no secret ever goes in."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.container import (
    NO_UPDATE,
    Candidate,
    Container,
    Details,
    Digest,
    EnvEntry,
    Identity,
    Image,
    Platform,
    Result,
    Tag,
    UpdateKind,
    Wishes,
)
from chalicelib.domain.fleet import enter
from chalicelib.domain.policy import NO_POLICY, Policy
from chalicelib.wire import container as wire
from tests.builders.api import conform, nulls
from tests.builders.containers import container

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
WORD = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
NAME = st.from_regex(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,20}", fullmatch=True)
MAYBE = st.none() | WORD
MOMENT = st.integers(0, 4_000_000_000_000).map(lambda ms: datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=ms))
PLAIN_KEY = st.sampled_from(["TZ", "PATH", "LANG"])
SECRET_KEY = st.sampled_from(["DB_PASSWORD", "API_TOKEN", "SECRET_X"])
ENV = st.one_of(
    st.builds(EnvEntry, key=PLAIN_KEY, value=WORD, sensitive=st.just(False)),
    st.builds(EnvEntry, key=SECRET_KEY, value=st.just("hunter2-hunter2"), sensitive=st.just(True)),
)
KINDS = st.one_of(
    st.just(NO_UPDATE),
    st.builds(
        UpdateKind,
        st.sampled_from(["tag", "digest", "unknown"]),
        MAYBE,
        MAYBE,
        st.sampled_from(["major", "minor", "patch", "unknown"]),
    ),
)
IMAGES = st.builds(
    Image,
    id=WORD,
    registry_name=WORD,
    registry_url=WORD,
    name=WORD,
    tag=st.builds(Tag, WORD, st.booleans(), st.sampled_from([None, "specific", "floating"])),
    digest=st.builds(Digest, st.booleans(), MAYBE, MAYBE, st.lists(WORD, max_size=2).map(tuple)),
    platform=st.builds(Platform, WORD, WORD, MAYBE),
    created=st.none() | MOMENT,
    lookup_image=MAYBE,
    reference=WORD,
)
RESULTS = st.none() | st.builds(
    Result, MAYBE, MAYBE, MAYBE, st.none() | MOMENT, st.none() | MOMENT, st.booleans(), MAYBE, MAYBE
)
WISHES = st.builds(
    Wishes,
    watch=st.none() | st.booleans(),
    watch_digest=st.none() | st.booleans(),
    include_tags=MAYBE,
    exclude_tags=MAYBE,
    transform_tags=MAYBE,
    tag_family=MAYBE,
    link_template=MAYBE,
    lookup_image=MAYBE,
    group=MAYBE,
    trigger_include=MAYBE,
    trigger_exclude=MAYBE,
    source_repo=MAYBE,
)
WATCHER_POLICIES = st.sampled_from([NO_POLICY, Policy(maturity_mode="mature", maturity_min_age_days=3)])


@st.composite
def containers(draw: st.DrawFn) -> Container:
    """Any container the executor could describe."""
    update = draw(KINDS)
    candidate = None
    if update != NO_UPDATE:
        candidate = Candidate(update, draw(MOMENT), draw(st.none() | MOMENT), draw(MAYBE))
    return Container(
        identity=Identity(draw(st.sampled_from(["local", "edge"])), draw(NAME), draw(NAME)),
        id=draw(st.from_regex(r"[0-9a-f]{64}", fullmatch=True)),
        display_name=draw(WORD),
        display_icon=draw(WORD),
        status=draw(st.sampled_from(["running", "exited", "created"])),
        image=draw(IMAGES),
        health=draw(st.sampled_from([None, "healthy", "starting"])),
        wishes=draw(WISHES),
        labels=draw(st.dictionaries(WORD, WORD, max_size=3)),
        inherited_labels=tuple(draw(st.lists(WORD, max_size=2))),
        watcher_policy=draw(WATCHER_POLICIES),
        details=Details(
            ports=tuple(draw(st.lists(WORD, max_size=2))),
            volumes=tuple(draw(st.lists(WORD, max_size=2))),
            env=tuple(draw(st.lists(ENV, max_size=3))),
            started_at=draw(st.none() | MOMENT),
        ),
        result=draw(RESULTS),
        error=draw(MAYBE),
        update=update,
        candidate=candidate,
        link=draw(MAYBE),
        former_ids=tuple(draw(st.lists(WORD, max_size=2))),
        applied_at=draw(st.none() | MOMENT),
    )


def masked(one: Container) -> Container:
    env = tuple(replace(entry, value="***") if entry.sensitive else entry for entry in one.details.env)
    return replace(one, details=replace(one.details, env=env))


@given(containers())
def test_a_container_comes_back_as_it_was_stored_but_for_its_secrets(one: Container) -> None:
    facts = json.loads(json.dumps(wire.facts(one)))
    document = json.loads(json.dumps(wire.document(one)))
    assert wire.read_container(one.identity, facts, document) == masked(one)
    assert "hunter2" not in json.dumps([facts, document])


@given(containers(), st.booleans())
def test_whatever_is_stored_is_shown_as_the_contract_wants_it(one: Container, held: bool) -> None:
    listing = wire.listing(one.identity, wire.facts(one), lambda: wire.document(one))
    override = Policy(snooze_until=NOW + timedelta(days=1)) if held else NO_POLICY
    entry = enter(listing, override)
    shown = wire.present(entry, entry.standing(NOW))
    conform("ContainerFull", shown)
    assert not nulls(shown)
    assert shown["updateAvailable"] is (one.candidate is not None and entry.standing(NOW).update_available)
    assert ("updateAge" in shown) is shown["updateAvailable"]
    if held:
        assert shown["updateAvailable"] is False


@given(containers())
def test_what_lists_go_by_is_what_the_container_says(one: Container) -> None:
    listing = wire.listing(one.identity, wire.facts(one), dict)
    assert (listing.id, listing.status, listing.tag) == (one.id, one.status, one.image.tag.value)
    assert (listing.update, listing.candidate) == (one.update, one.candidate)
    assert (listing.image_created, listing.group) == (one.image.created, one.wishes.group)
    assert listing.watcher_policy == one.watcher_policy


def test_an_image_cannot_lift_a_policy_of_its_watcher() -> None:
    labels = {"dd.updatePolicy.maturityMode": "all"}
    by_operator = replace(container(), labels=labels)
    assert "lp" in wire.facts(by_operator)
    assert "lp" not in wire.facts(replace(by_operator, inherited_labels=tuple(labels)))
