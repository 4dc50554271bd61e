"""Tag lists: pages, links that lead away, and lists that are none."""

from __future__ import annotations

import pytest

from chalicelib.ports.registry import (
    RegistryGarbled,
    RegistryUntrusted,
)
from tests.builders.registry_client import TAGS, Client, in_turn, page, tags
from tests.builders.scripted_registry import Asked, Scripted, ScriptedRegistry


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"tags": 5}', b'{"name": "web"}', b"null"])
def test_a_tag_list_that_is_none_is_an_error(place: ScriptedRegistry, client: Client, body: bytes) -> None:
    place.answer = lambda asked: Scripted(body=body)
    with pytest.raises(RegistryGarbled, match="no tag list"):
        tags(client.open(), place)


def test_a_repository_without_tags_has_none(place: ScriptedRegistry, client: Client) -> None:
    place.answer = lambda asked: Scripted(body=b'{"name": "web", "tags": null}')
    assert tags(client.open(), place) == []


def test_what_no_tag_can_be_is_left_out(place: ScriptedRegistry, client: Client) -> None:
    place.answer = lambda asked: page("1.0", "9.9\n10.0", "9.9@sha256:0", "../9.9", "\x1b[2J9.9", "9" * 129, "", "1.1")
    assert tags(client.open(), place) == ["1.0", "1.1"]


def test_a_list_without_end_is_not_read_to_its_end(place: ScriptedRegistry, client: Client) -> None:
    def answer(asked: Asked) -> Scripted:
        number = len(place.asked)
        return page(*(f"{number}.{one}" for one in range(100_000)), link=f'<?last={number}>; rel="next"')

    place.answer = answer
    with pytest.raises(RegistryGarbled, match="more than 500,000 tags"):
        tags(client.open(timeout=30), place)


@pytest.mark.parametrize(
    "link",
    [
        '</v2/web/tags/list?n=1000&last=b>; rel="next"',
        "</v2/web/tags/list?next_page=xyz>; rel=next",
        '</v2/web/tags/list?n=1>; rel="prev", </v2/web/tags/list?last=b>; rel="next"',
        '</v2/web/tags/list?last=b>; title="a, b; c"; rel="next"',
        '<?last=b>; rel="next"',
    ],
)
def test_pages_are_followed(place: ScriptedRegistry, client: Client, link: str) -> None:
    place.answer = in_turn(page("a", "b", link=link), page("c"))
    assert tags(client.open(), place) == ["a", "b", "c"]


def test_an_absolute_link_to_the_same_list_is_followed(place: ScriptedRegistry, client: Client) -> None:
    place.answer = in_turn(page("a", link=f'<{place.url}/v2/web/tags/list?last=a>; rel="next"'), page("b"))
    assert tags(client.open(), place) == ["a", "b"]


@pytest.mark.parametrize("place_of_it", ["https://127.0.0.1", "http://127.0.0.1:8081", "/artifactory/api/docker/own"])
def test_a_registry_need_not_know_the_proxy_in_front_of_it(
    place: ScriptedRegistry, client: Client, place_of_it: str
) -> None:
    link = f'<{place_of_it}/v2/web/tags/list?last=a&n=1000>; rel="next"'
    place.answer = in_turn(page("a", link=link), page("b"))
    assert tags(client.with_account(place), place) == ["a", "b"]
    assert place.paths == ["/v2/web/tags/list?n=1000", "/v2/web/tags/list?last=a&n=1000"]


def test_pages_are_followed_where_a_list_was_led_to(place: ScriptedRegistry, client: Client) -> None:
    def answer(asked: Asked) -> Scripted:
        if asked.path.startswith("/v2/web/"):
            return Scripted(307, b"", headers={"Location": asked.path.replace("/v2/web/", "/v2/images/web/")})
        if "last=a" in asked.path:
            return page("b")
        return page("a", link='</v2/images/web/tags/list?last=a>; rel="next"')

    place.answer = answer
    assert tags(client.open(), place) == ["a", "b"]


@pytest.mark.parametrize(
    "link", ["/v2/other/tags/list", "/v2/web/../secret", "//evil.example/v2/web/tags/list", "/admin"]
)
def test_a_link_that_leaves_the_list_is_not_followed(place: ScriptedRegistry, client: Client, link: str) -> None:
    place.answer = in_turn(page("a", link=f'<{link}>; rel="next"'), page("b"))
    with pytest.raises(RegistryUntrusted):
        tags(client.with_account(place), place)
    assert len(place.asked) == 1


def test_a_link_to_another_host_gets_no_credentials(
    place: ScriptedRegistry, other: ScriptedRegistry, client: Client
) -> None:
    elsewhere = other.url.replace("127.0.0.1", "localhost")
    place.answer = lambda asked: page("a", link=f'<{elsewhere}/v2/web/tags/list?n=1000>; rel="next"')
    with pytest.raises(RegistryUntrusted):
        tags(client.with_account(place), place)
    assert other.asked == []


def test_pages_that_go_round_in_circles_end(place: ScriptedRegistry, client: Client) -> None:
    place.answer = lambda asked: page("a", link='</v2/web/tags/list?n=1000>; rel="next"')
    with pytest.raises(RegistryGarbled, match="without end"):
        tags(client.open(), place)


def test_a_full_page_without_a_link_is_continued_after_its_last_tag(place: ScriptedRegistry, client: Client) -> None:
    full = [f"1.0.{number}" for number in range(1000)]
    place.answer = in_turn(page(*full), page("2.0.0"))
    assert tags(client.open(), place)[-1] == "2.0.0"
    assert place.paths[-1] == "/v2/web/tags/list?n=1000&last=1.0.999"


def test_an_unchanged_tag_list_is_not_sent_again(place: ScriptedRegistry, client: Client) -> None:
    def answer(asked: Asked) -> Scripted:
        if asked.headers.get("if-none-match") == '"v1"':
            return Scripted(304, b"", declared=0)
        return Scripted(body=TAGS, headers={"ETag": '"v1"'})

    place.answer = answer
    registries = client.open()
    assert tags(registries, place) == tags(registries, place) == ["1.0.0", "1.1.0"]
    assert [asked.headers.get("if-none-match") for asked in place.asked] == [None, '"v1"']
