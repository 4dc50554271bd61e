"""`GET /api/v1/containers`: every parameter of the contract, its bounds, orders, ties and filters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.domain.container import Candidate, Container, UpdateKind
from chalicelib.domain.security import Scan, ScanReport, Security, subject_key
from chalicelib.domain.vulnerability import Summary, Vulnerability
from tests.builders.api import Api, nulls
from tests.builders.containers import NOW, container, with_update

LIST = "/api/v1/containers"
COLLATED = [
    "_x",
    "-x",
    "1",
    "a",
    "A",
    "a_b",
    "a-b",
    "a.b",
    "a1",
    "a10",
    "a2",
    "ab",
    "aB",
    "Ab",
    "b",
    "B",
    "e",
    "é",
    "z",
]


def names(api: Api, query: str = "") -> list[str]:
    """The names a list answers with, in its order."""
    return [one["name"] for one in api.get(f"{LIST}?{query}").must_be(200, "ContainerList")["data"]]


def digest_update(one: Container) -> Container:
    kind = UpdateKind("digest", "sha256:1", "sha256:2", "unknown")
    return replace(one, update=kind, candidate=Candidate(kind, NOW - timedelta(days=2)))


@pytest.fixture
def some(api: Api) -> Api:
    """Five containers, each with something of its own."""
    api.add(
        with_update(container("hot"), age=timedelta(hours=2)),
        with_update(container("mature", status="exited"), tag="2.0.0", diff="major", age=timedelta(days=3)),
        with_update(container("old", watcher="edge"), tag="1.2.4", diff="patch", age=timedelta(days=8)),
        digest_update(container("moved", status="paused", labels={"dd.watch": "TRUE"})),
        container("still", status="created", image=replace(container("still").image, created=None)),
    )
    return api


def test_the_list_holds_every_container_in_an_envelope(some: Api) -> None:
    body = some.get(LIST).must_be(200, "ContainerList")
    assert {name: body[name] for name in ("total", "limit", "offset", "hasMore")} == {
        "total": 5,
        "limit": 0,
        "offset": 0,
        "hasMore": False,
    }
    assert len(body["data"]) == 5
    assert "_links" not in body


def test_every_container_is_whole_and_has_no_null(some: Api) -> None:
    for one in some.get(LIST).must_be(200)["data"]:
        some.get(f"{LIST}/{one['id']}").must_be(200, "ContainerFull")
        assert not nulls(one)
        assert isinstance(one["updateAvailable"], bool)


def test_an_empty_fleet_is_an_empty_list(api: Api) -> None:
    body = api.get(LIST).must_be(200, "ContainerList")
    assert body == {"data": [], "total": 0, "limit": 0, "offset": 0, "hasMore": False}


def test_names_are_in_the_order_people_expect(api: Api) -> None:
    api.add(*(container(name) for name in reversed(COLLATED)))
    assert names(api) == COLLATED
    assert names(api, "sort=-name") == COLLATED[::-1]


@pytest.mark.parametrize(
    ("query", "limit", "offset"),
    [
        ("limit=2&offset=1", 2, 1),
        ("limit=0&offset=1", 0, 1),
        ("limit=201", 200, 0),
        ("limit=99999999999999999999", 200, 0),
        ("limit=-1&offset=-3", 0, 0),
        ("limit=abc&offset=x", 0, 0),
        ("limit=2abc&offset=1.9", 2, 1),
        ("limit=%202", 2, 0),
        ("limit=&offset=", 0, 0),
        ("limit=0x10", 0, 0),
        ("limit=1e3", 1, 0),
        ("limit=2&limit=3", 2, 0),
        ("offset=5000", 0, 5000),
        ("limit=%D9%A2", 0, 0),
    ],
)
def test_limit_and_offset_are_read_leniently_and_answered_as_they_took_effect(
    some: Api, query: str, limit: int, offset: int
) -> None:
    body = some.get(f"{LIST}?{query}").must_be(200, "ContainerList")
    assert (body["limit"], body["offset"]) == (limit, offset)
    assert len(body["data"]) == max(0, min(5 - offset, limit or 5))
    assert body["total"] == 5
    assert body["hasMore"] is (0 < limit < 5 - offset)


def test_a_limited_page_links_to_itself_and_the_next_and_keeps_other_parameters(some: Api) -> None:
    body = some.get(f"{LIST}?status=running&limit=1&sort=name&sort=age&foo=b%26r").must_be(200)
    kept = "status=running&sort=name&foo=b%26r"
    assert body["_links"] == {
        "self": f"{LIST}?{kept}&limit=1&offset=0",
        "next": f"{LIST}?{kept}&limit=1&offset=1",
    }
    following = some.get(body["_links"]["next"]).must_be(200)
    assert following["_links"] == {"self": body["_links"]["next"]}
    assert following["data"][0]["name"] != body["data"][0]["name"]


def test_pages_together_are_the_list(some: Api) -> None:
    path, found = f"{LIST}?limit=2&sort=-created", []
    while path:
        body = some.get(path).must_be(200)
        found += [one["name"] for one in body["data"]]
        path = body["_links"].get("next")
    assert found == names(some, "sort=-created")


SORTED = {
    "sort=name": ["hot", "mature", "moved", "old", "still"],
    "sort=-name": ["still", "old", "moved", "mature", "hot"],
    "order=desc": ["still", "old", "moved", "mature", "hot"],
    "sort=-name&order=asc": ["hot", "mature", "moved", "old", "still"],
    "sort=status": ["hot", "mature", "moved", "old", "still"],
    "sort=-status": ["still", "old", "moved", "mature", "hot"],
    "sort=age": ["old", "mature", "moved", "hot", "still"],
    "sort=-age": ["still", "hot", "moved", "mature", "old"],
    "sort=age&order=desc": ["still", "hot", "moved", "mature", "old"],
}


@pytest.mark.parametrize("query", SORTED)
def test_sort_and_order(some: Api, query: str) -> None:
    assert names(some, query) == SORTED[query]


def test_sort_by_created_puts_the_oldest_first_and_unknown_dates_last(api: Api) -> None:
    for name, days in (("new", 1), ("old", 9), ("same", 1)):
        one = container(name)
        api.add(replace(one, image=replace(one.image, created=NOW - timedelta(days=days))))
    one = container("unknown")
    api.add(replace(one, image=replace(one.image, created=None)))
    assert names(api, "sort=created") == ["old", "new", "same", "unknown"]
    assert names(api, "sort=-created") == ["unknown", "same", "new", "old"]


def test_updates_of_the_same_minute_are_still_ordered_by_age(api: Api) -> None:
    api.add(
        with_update(container("b"), age=timedelta(minutes=5, seconds=20)),
        with_update(container("a"), age=timedelta(minutes=5, seconds=10)),
    )
    assert names(api, "sort=age") == ["b", "a"]


def test_equal_ages_are_ordered_by_watcher_name_and_id(api: Api) -> None:
    api.add(*(with_update(container(name, watcher=watcher)) for name, watcher in (("a", "w2"), ("b", "w1"))))
    assert names(api, "sort=age") == ["b", "a"]


FILTERED: Mapping[str, list[str]] = {
    "status=update-available": ["hot", "mature", "moved", "old"],
    "status=up-to-date": ["still"],
    "status=running": ["hot", "old"],
    "status=stopped": ["mature", "still"],
    "status=exited": ["mature"],
    "status=paused": ["moved"],
    "status=restarting": [],
    "status=dead": [],
    "status=created": ["still"],
    "kind=major": ["mature"],
    "kind=minor": ["hot"],
    "kind=patch": ["old"],
    "kind=digest": ["moved"],
    "kind=watched": ["moved"],
    "kind=unwatched": ["hot", "mature", "old", "still"],
    "kind=all": ["hot", "mature", "moved", "old", "still"],
    "watcher=edge": ["old"],
    "watcher=%20edge%20": ["old"],
    "watcher=Edge": [],
    "maturity=hot": ["hot"],
    "maturity=mature": ["mature", "moved"],
    "maturity=established": ["old"],
    "status=running&kind=patch&watcher=edge&maturity=established": ["old"],
    "status=running&kind=major": [],
    "status=running&status=exited": ["hot", "old"],
    "status=%20running%20": ["hot", "old"],
    "name=nobody&constructor=1": ["hot", "mature", "moved", "old", "still"],
}


@pytest.mark.parametrize("query", FILTERED)
def test_filters(some: Api, query: str) -> None:
    body = some.get(f"{LIST}?{query}").must_be(200, "ContainerList")
    assert [one["name"] for one in body["data"]] == FILTERED[query]
    assert body["total"] == len(FILTERED[query])


@pytest.mark.parametrize(
    "query",
    [
        "sort=size",
        "sort=",
        "sort=NAME",
        "sort=--name",
        "order=up",
        "order=ASC",
        "order=",
        "status=healthy",
        "status=",
        "status=Running",
        "kind=huge",
        "kind=",
        "maturity=fresh",
        "maturity=",
        "watcher=",
        "watcher=%20",
    ],
)
def test_a_word_that_is_not_in_its_list_is_a_400_that_names_the_parameter(some: Api, query: str) -> None:
    body = some.get(f"{LIST}?{query}").must_be(400, "Error")
    assert query.partition("=")[0] in body["error"]


def test_a_suppressed_update_is_up_to_date_but_keeps_its_kind(some: Api) -> None:
    found = some.get(f"{LIST}?kind=major").json["data"][0]
    some.call("PATCH", f"{LIST}/{found['id']}/update-policy", {"action": "skip-current"}).must_be(200)
    assert "mature" in names(some, "status=up-to-date")
    assert names(some, "kind=major") == ["mature"]
    assert names(some, "maturity=mature") == ["moved"]


def test_vulnerabilities_are_listed_only_when_asked_for(api: Api) -> None:
    digest, summary = "sha256:1", Summary(high=1)
    scan = Scan("trivy", "web:1", digest, NOW, ("HIGH",), summary)
    web = container("web", security=Security(scan=scan, update_scan=scan))
    subject = subject_key(digest, web.image.platform.os, web.image.platform.architecture, None)
    finding = Vulnerability("CVE-1", "HIGH")
    api.services.reports.put_scan(ScanReport(subject, "trivy", "web:1", digest, NOW, summary, (finding,)))
    api.add(web)
    for query, wanted in (("", []), ("includeVulnerabilities=TRUE", []), ("includeVulnerabilities=true", ["CVE-1"])):
        security = api.get(f"{LIST}?{query}").must_be(200, "ContainerList")["data"][0]["security"]
        for name in ("scan", "updateScan"):
            assert [one["id"] for one in security[name]["vulnerabilities"]] == wanted
            assert (security[name]["status"], security[name]["summary"]["high"]) == ("blocked", 1)
    one = api.get(f"{LIST}/{web.id}").must_be(200, "ContainerFull")
    assert [found["id"] for found in one["security"]["scan"]["vulnerabilities"]] == ["CVE-1"]
    assert api.get(f"{LIST}/summary").must_be(200, "ContainerSummary")["security"] == {"issues": 1}
