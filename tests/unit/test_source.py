"""Where an image's source is published, read from labels and names."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.container import Wishes
from chalicelib.domain.source import parse, source_of
from tests.builders.containers import container

REPOSITORIES = {
    "https://github.com/home-assistant/core": "github.com/home-assistant/core",
    "https://github.com/home-assistant/core/": "github.com/home-assistant/core",
    "https://github.com/acme/web.git": "github.com/acme/web",
    "https://www.github.com/acme/web/tree/main/docker": "github.com/acme/web",
    "http://GitHub.com/Acme/Web#readme": "github.com/Acme/Web",
    "git+https://github.com/acme/web?x=1": "github.com/acme/web",
    "git@github.com:acme/web.git": "github.com/acme/web",
    "ssh://git@gitlab.com/group/sub/project.git": "gitlab.com/group/sub/project",
    "https://gitlab.com/group/sub/project/-/tree/main": "gitlab.com/group/sub/project",
    "codeberg.org/acme/web": "codeberg.org/acme/web",
    "https://git.example:3000/acme/web": "git.example:3000/acme/web",
    "https://user:pass@github.com/acme/web": "github.com/acme/web",
}


@pytest.mark.parametrize("text", REPOSITORIES)
def test_a_repository_is_read_from_every_form_people_write(text: str) -> None:
    assert str(parse(text)) == REPOSITORIES[text]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "github.com",
        "https://github.com/acme",
        "acme/web",
        "https://",
        "file:///etc/passwd",
        "https://github.com/../..",
        "https://github.com/a b/c",
        "https://-.com/a/b",
        "https://localhost/a/b",
        "javascript:alert(1)",
        "https://github.com/acme/we%62",
    ],
)
def test_what_is_no_repository_is_none(text: str) -> None:
    assert parse(text) is None


@given(st.text(max_size=60))
def test_a_repository_never_holds_what_would_change_a_url(text: str) -> None:
    found = parse(text)
    if found is not None:
        assert not set(str(found)) & set("@?#%\\ \n\0")
        assert ".." not in found.path.split("/")


def test_the_operators_label_wins_over_the_image_and_the_image_over_its_name() -> None:
    one = container("web")
    image = replace(one.image, reference="ghcr.io/acme/web:1.2.3")
    named = replace(one, image=image, labels={})
    labelled = replace(named, labels={"org.opencontainers.image.source": "https://gitlab.com/acme/web"})
    wished = replace(labelled, wishes=Wishes(source_repo="codeberg.org/acme/web"))
    assert source_of(one) is None
    assert source_of(named) == "github.com/acme/web"
    assert source_of(labelled) == "gitlab.com/acme/web"
    assert source_of(wished) == "codeberg.org/acme/web"
