"""How forges are asked for release notes, and what their answers come to."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from chalicelib.adapters.forges.dialects import GITEA, GITHUB, GITLAB, LONGEST_BODY, Dialect
from chalicelib.adapters.forges.releases import Forge as Asked
from chalicelib.adapters.forges.releases import ForgeReleases, forges
from chalicelib.domain.errors import Unavailable
from chalicelib.domain.source import SourceRepository
from tests.fakes.forge import Forge, running_forge

REPOSITORY = SourceRepository("git.example", "acme/shop/web")


@pytest.fixture
def forge() -> Iterator[Forge]:
    with running_forge() as running:
        yield running


def asking(forge: Forge, dialect: Dialect, token: str | None = None) -> ForgeReleases:
    return ForgeReleases({"git.example": Asked(dialect, forge.url, token)}, "1")


def test_github(forge: Forge) -> None:
    forge.answers["/repos/acme/shop/web/releases/tags/v1%2F2"] = (
        200,
        {"name": "One", "body": "b", "html_url": "https://github.com/x", "published_at": "2026-01-02T03:04:05Z"},
    )
    notes = asking(forge, GITHUB, "t0ken").find(REPOSITORY, "v1/2")
    assert notes is not None
    assert (notes.title, notes.body, notes.url, notes.provider) == ("One", "b", "https://github.com/x", "github")
    assert notes.published_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert forge.asked[0][1]["authorization"] == "Bearer t0ken"


def test_gitlab(forge: Forge) -> None:
    forge.answers["/projects/acme%2Fshop%2Fweb/releases/1.0"] = (
        200,
        {
            "name": "",
            "description": "what is new",
            "released_at": "2026-01-02T03:04:05.678+02:00",
            "_links": {"self": "https://gitlab.com/x"},
        },
    )
    notes = asking(forge, GITLAB, "t0ken").find(REPOSITORY, "1.0")
    assert notes is not None
    assert (notes.title, notes.body, notes.url, notes.provider) == (
        "1.0",
        "what is new",
        "https://gitlab.com/x",
        "gitlab",
    )
    assert notes.published_at == datetime(2026, 1, 2, 1, 4, 5, 678000, tzinfo=UTC)
    assert forge.asked[0][1]["private-token"] == "t0ken"


def test_a_link_that_is_none_is_replaced_by_the_repository_and_a_body_is_cut(forge: Forge) -> None:
    forge.answers["/repos/acme/shop/web/releases/tags/1"] = (
        200,
        {"body": "a" * (LONGEST_BODY + 1), "html_url": "javascript:alert(1)"},
    )
    notes = asking(forge, GITEA).find(REPOSITORY, "1")
    assert notes is not None
    assert notes.url == "https://git.example/acme/shop/web"
    assert len(notes.body) == LONGEST_BODY
    assert "authorization" not in forge.asked[0][1]


def test_there_are_no_notes_of_an_unknown_release(forge: Forge) -> None:
    assert asking(forge, GITHUB).find(REPOSITORY, "9") is None


@pytest.mark.parametrize(
    "answer", [(403, {}), (500, {}), (200, b"<html>"), (200, b" " * (1024 * 1024 + 1)), (302, "/")]
)
def test_an_answer_that_is_none_is_unavailable(forge: Forge, answer: tuple[int, object]) -> None:
    forge.answers["/repos/acme/shop/web/releases/tags/1"] = answer
    with pytest.raises(Unavailable):
        asking(forge, GITHUB).find(REPOSITORY, "1")


def test_a_forge_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        ForgeReleases({"git.example": Asked(GITHUB, "http://127.0.0.1:1")}, "1").find(REPOSITORY, "1")


def test_a_token_goes_to_its_own_forge_alone() -> None:
    known = forges("gh", [("gitlab", "https://gitlab.com", None, "gl"), ("gitea", "https://git.example", None, None)])
    assert known["github.com"].token == "gh"
    assert (known["gitlab.com"].token, known["gitlab.com"].api) == ("gl", "https://gitlab.com/api/v4")
    assert (known["git.example"].token, known["git.example"].api) == (None, "https://git.example/api/v1")
    assert known["codeberg.org"].token is None
    assert set(known) == {"github.com", "gitlab.com", "codeberg.org", "gitea.com", "git.example"}
