"""Choosing, ordering and cutting lists: what holds for every fleet, and the counts of the summary."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.container import Candidate, Container, UpdateKind
from chalicelib.domain.errors import Invalid
from chalicelib.domain.fleet import Fleet, assemble, enter
from chalicelib.domain.policy import NO_POLICY, Policy
from chalicelib.domain.query import KINDS, MATURITIES, ORDERS, SORTS, STATUSES, ContainerQuery, select
from chalicelib.domain.summary import summarise
from chalicelib.wire import container as wire
from chalicelib.wire import query as query_wire
from tests.builders.containers import NOW, container

POLICIES = st.sampled_from([NO_POLICY, Policy(snooze_until=NOW + timedelta(days=1)), Policy(skip_tags=("2.0.0",))])


@st.composite
def fleets(draw: st.DrawFn) -> Fleet:
    """Up to eight containers in two watchers, alike enough for ties."""
    entries = []
    names = draw(st.lists(st.sampled_from("aAbB12_-"), max_size=8, unique=True))
    for name in names:
        one = container(name, watcher=draw(st.sampled_from(["w1", "w2"])))
        one = replace(one, status=draw(st.sampled_from(["running", "exited", "paused", "created"])))
        made = draw(st.none() | st.integers(0, 2))
        one = replace(one, image=replace(one.image, created=None if made is None else NOW - timedelta(days=made)))
        diff = draw(st.sampled_from([None, "major", "minor"]))
        if diff is not None:
            kind = UpdateKind("tag", "1.2.3", "2.0.0", diff)
            age = timedelta(days=draw(st.sampled_from([0, 2, 9])))
            one = replace(one, update=kind, candidate=Candidate(kind, NOW - age))
        listing = wire.listing(one.identity, wire.facts(one), lambda one=one: wire.document(one))  # type: ignore[misc]
        entries.append(enter(listing, draw(POLICIES)))
    return assemble(entries, "")


QUERIES = st.builds(
    ContainerQuery,
    sort=st.none() | st.sampled_from(SORTS),
    order=st.none() | st.sampled_from(ORDERS),
    status=st.none() | st.sampled_from(STATUSES),
    kind=st.none() | st.sampled_from(KINDS),
    watcher=st.sampled_from([None, "w1"]),
    maturity=st.none() | st.sampled_from(MATURITIES),
)


def ids(fleet: Fleet, query: ContainerQuery) -> list[str]:
    return [entry.listing.id for entry in select(fleet, query, NOW).entries]


@given(fleets(), QUERIES, st.integers(1, 4))
def test_pages_put_together_are_the_whole_list(fleet: Fleet, query: ContainerQuery, limit: int) -> None:
    whole, found, offset = ids(fleet, query), [], 0
    while True:
        page = select(fleet, replace(query, limit=limit, offset=offset), NOW)
        assert page.total == len(whole)
        found += [entry.listing.id for entry in page.entries]
        if not page.has_more:
            break
        offset += limit
    assert found == whole


@given(fleets(), QUERIES)
def test_descending_is_ascending_read_backwards(fleet: Fleet, query: ContainerQuery) -> None:
    assert ids(fleet, replace(query, order="desc")) == ids(fleet, replace(query, order="asc"))[::-1]


@given(fleets(), QUERIES)
def test_filters_only_take_away_and_never_change_the_order(fleet: Fleet, query: ContainerQuery) -> None:
    found = ids(fleet, query)
    everything = ids(fleet, ContainerQuery(sort=query.sort, order=query.order))
    assert found == [one for one in everything if one in set(found)]


@given(fleets())
def test_each_container_is_either_up_to_date_or_has_an_update(fleet: Fleet) -> None:
    updates = ids(fleet, ContainerQuery(status="update-available"))
    rest = ids(fleet, ContainerQuery(status="up-to-date"))
    assert sorted(updates + rest) == sorted(ids(fleet, ContainerQuery()))


@given(fleets())
def test_maturities_share_the_updates_among_them(fleet: Fleet) -> None:
    shared = [one for word in MATURITIES for one in ids(fleet, ContainerQuery(maturity=word))]
    assert sorted(shared) == sorted(ids(fleet, ContainerQuery(status="update-available")))


@given(fleets())
def test_the_summary_counts_what_the_filters_find(fleet: Fleet) -> None:
    counts = summarise(fleet, NOW)
    assert counts.total == counts.running + counts.stopped == len(fleet.entries)
    assert counts.running == len(ids(fleet, ContainerQuery(status="running")))
    assert counts.updates_available == len(ids(fleet, ContainerQuery(status="update-available")))
    assert counts.hot == len(ids(fleet, ContainerQuery(maturity="hot")))
    assert counts.mature == len(ids(fleet, ContainerQuery(maturity="mature")))


def test_the_base_order_is_watcher_name_and_tag() -> None:
    def entry(one: Container) -> object:
        return enter(wire.listing(one.identity, wire.facts(one), dict))

    ones = [container("b", watcher="w1"), container("a", watcher="w2"), container("a", watcher="w1")]
    fleet = assemble([entry(one) for one in ones], "")  # type: ignore[misc]
    shown = [(found.listing.identity.watcher, found.listing.identity.name) for found in fleet.entries]
    assert shown == [("w1", "a"), ("w1", "b"), ("w2", "a")]


@given(st.dictionaries(st.sampled_from(["limit", "offset", "includeVulnerabilities", "x"]), st.lists(st.text())))
def test_lenient_parameters_take_anything(query: dict[str, list[str]]) -> None:
    asked = query_wire.containers(query)
    assert 0 <= asked.limit <= 200
    assert asked.offset >= 0


@given(st.sampled_from(["sort", "order", "status", "kind", "maturity"]), st.text())
def test_strict_parameters_take_their_words_alone(name: str, text: str) -> None:
    words = {"sort": SORTS, "order": ORDERS, "status": STATUSES, "kind": KINDS, "maturity": MATURITIES}[name]
    if text.strip() in words:
        query_wire.containers({name: [text]})
    else:
        with pytest.raises(Invalid, match=name):
            query_wire.containers({name: [text]})
