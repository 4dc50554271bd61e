"""Image sets: which images they mean, which of several wins, and what wins over them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.image_set import ImageSet, best_fit, with_defaults
from chalicelib.domain.labels import inspected_tag, wishes
from chalicelib.domain.reference import Reference


@pytest.mark.parametrize(
    ("pattern", "image", "fits"),
    [
        ("nginx", "nginx:1.25", True),
        ("library/nginx", "nginx:1.25", True),
        ("nginx", "ghcr.io/nginx:1", True),
        ("nginx", "ghcr.io/acme/nginx:1", False),
        ("*/nginx", "ghcr.io/acme/nginx:1", True),
        ("nginx", "nginx-exporter:1", False),
        ("docker.io/nginx", "nginx:1.25", True),
        ("docker.io/nginx", "ghcr.io/nginx:1", False),
        ("ghcr.io/home-assistant/*", "ghcr.io/home-assistant/core:2026.1", True),
        ("ghcr.io/home-assistant/*", "evil-ghcr.io/home-assistant/core:1", False),
        ("GHCR.io/home-assistant/*", "ghcr.io/home-assistant/core:2026.1", True),
        ("acme/web", "registry.example:5000/acme/web:1", True),
        ("registry.example:5000/web", "registry.example:5000/web:1", True),
        ("registry.example:5000/web", "registry.example:5001/web:1", False),
        ("nginx:1.*", "nginx:1.25", True),
        ("nginx:1.*", "nginx:2.0", False),
        ("nginx.", "nginxx:1", False),
        ("*", "anything/at/all:1", True),
    ],
)
def test_a_pattern_means_whole_names(pattern: str, image: str, fits: bool) -> None:
    assert ImageSet("set", pattern).fits(Reference.parse(image)) is fits


def test_the_set_that_says_most_about_the_image_wins() -> None:
    sets = [ImageSet(name, name) for name in ("*", "acme/*", "acme/web", "acme/web:1", "ghcr.io/acme/web:1")]
    winners = []
    while (winner := best_fit(sets, Reference.parse("ghcr.io/acme/web:1"))) is not None:
        winners.append(winner.name)
        sets.remove(winner)
    assert winners == ["ghcr.io/acme/web:1", "acme/web:1", "acme/web", "acme/*", "*"]


def test_no_set_is_no_wish() -> None:
    assert best_fit([ImageSet("other", "redis")], Reference.parse("nginx:1")) is None


@pytest.mark.parametrize("pattern", ["", "a b", ":1", "ghcr.io/", "x" * 600, "na\u00efve"])
def test_a_pattern_that_can_mean_no_image_is_unreadable(pattern: str) -> None:
    assert not ImageSet("set", pattern).readable


@given(st.text("ab*/.:-", max_size=30), st.sampled_from(["nginx:1", "ghcr.io/a/b:1", "r.example:5000/a.b/c:2"]))
def test_any_pattern_is_matched_without_trouble(pattern: str, image: str) -> None:
    assert ImageSet("set", pattern).fits(Reference.parse(image)) in (True, False)


def test_a_label_wins_over_an_image_set_and_that_over_the_watcher() -> None:
    image_set = {"tag.include": "^set$", "tag.exclude": "^set$", "tag.family": "strict"}
    watcher = {"tag.family": "loose", "link.template": "watcher"}
    asked = wishes(with_defaults({"dd.tag.include": "^label$"}, image_set, watcher))
    assert (asked.include_tags, asked.exclude_tags) == ("^label$", "^set$")
    assert (asked.tag_family, asked.link_template) == ("strict", "watcher")


def test_the_older_label_wins_over_an_image_set_too() -> None:
    asked = wishes(with_defaults({"wud.tag.include": "^old$"}, {"tag.include": "^set$"}))
    assert asked.include_tags == "^old$"


@pytest.mark.parametrize(
    ("labels", "asked"),
    [
        ({}, None),
        ({"dd.registry.lookup.image": "library/web"}, "library/web"),
        ({"dd.registry.lookup.url": "https://mirror.example:5000"}, "mirror.example:5000/acme/web"),
        ({"dd.registry.lookup.url": "https://mirror.example/v2"}, "mirror.example/acme/web"),
        ({"wud.registry.lookup.url": "mirror.example"}, "mirror.example/acme/web"),
        ({"dd.registry.lookup.url": "https://ada:secret@mirror.example"}, "mirror.example/acme/web"),
        (
            {"dd.registry.lookup.url": "https://mirror.example", "dd.registry.lookup.image": "docker.io/other/web:1"},
            "mirror.example/other/web",
        ),
        ({"dd.registry.lookup.url": "https://"}, None),
        ({"dd.registry.lookup.url": "http://[mirror"}, "http://[mirror"),
    ],
)
def test_tags_can_be_looked_up_elsewhere(labels: dict[str, str], asked: str | None) -> None:
    assert wishes(labels, "acme/web").lookup_image == asked


INSPECT = {
    "Config": {
        "Labels": {"org.opencontainers.image.version": "1.2.3", "app.kubernetes.io/version": " 4.5.6 ", "empty": ""},
        "Env": ["VERSION=1"],
    },
    "Id": "abc",
}


@pytest.mark.parametrize(
    ("place", "found"),
    [
        ("Config/Labels/org.opencontainers.image.version", "1.2.3"),
        ("/Config/Labels/org.opencontainers.image.version/", "1.2.3"),
        ("Config/Labels/app.kubernetes.io/version", "4.5.6"),
        ("Config/Labels/empty", None),
        ("Config/Labels", None),
        ("Config/Env/0", None),
        ("Nothing/There", None),
        ("Id/further", None),
    ],
)
def test_the_running_version_is_read_where_a_label_says(place: str, found: str | None) -> None:
    assert inspected_tag({"dd.inspect.tag.path": place}, INSPECT) == found
    assert inspected_tag({}, INSPECT) is None
