"""Editing compose files: the image of one service changes, and not one other byte."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as some

from chalicelib.domain.compose import LeftAlone, Move, NotEditable, Service, drift, files_of, rewritten
from chalicelib.domain.reference import Reference
from local_runtime.executor.compose.edit import LARGEST, ComposeFile
from tests.builders.compose_files import EDITABLE, NEW_DIGEST, REFUSED, Sample


def moved(content: bytes, *, tag: str | None = "2.0", image: str = "app:1.0", pin: bool = False) -> bytes:
    """The content after the move of `web`."""
    file = ComposeFile(content)
    place = file.image("web")
    if place is None:
        raise NotEditable("no image")
    return file.with_image("web", rewritten(place.text, Move(Reference.parse(image), tag, NEW_DIGEST, pin)))


def running(sample: Sample) -> str:
    return "reg.test:5000/team/app:1.0" if sample.old.startswith("reg.test") else "app:1.0"


@pytest.mark.parametrize("name", EDITABLE)
def test_only_the_image_of_the_service_changes(name: str) -> None:
    sample = EDITABLE[name]
    end = sample.at + len(sample.old.encode())
    expected = sample.content[: sample.at] + sample.new.encode() + sample.content[end:]
    assert moved(sample.content, image=running(sample)) == expected


@pytest.mark.parametrize("name", EDITABLE)
def test_a_file_that_says_it_already_is_left_as_it_is(name: str) -> None:
    sample = EDITABLE[name]
    once = moved(sample.content, image=running(sample))
    assert moved(once, image=running(sample)) == once


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_kept_is_refused_with_a_reason(name: str) -> None:
    with pytest.raises(NotEditable) as refusal:
        moved(REFUSED[name].encode())
    assert str(refusal.value)


@pytest.mark.parametrize("text", ["app:${TAG}", "${IMAGE:-app:1.0}", "$IMAGE", "${R}/other:1.0"])
def test_a_tag_from_a_variable_is_left_to_the_operator(text: str) -> None:
    with pytest.raises(LeftAlone):
        rewritten(text, Move(Reference.parse("app:1.0"), "2.0", None))


def test_another_digest_of_the_same_tag_changes_only_what_pins_one() -> None:
    same = Move(Reference.parse("app:1.0"), "1.0", NEW_DIGEST)
    assert rewritten("app:1.0", same) == "app:1.0"
    assert rewritten("app:1.0@sha256:" + "a" * 64, same) == f"app:1.0@{NEW_DIGEST}"
    assert rewritten("app@sha256:" + "a" * 64, Move(Reference.parse("app"), None, NEW_DIGEST)) == f"app@{NEW_DIGEST}"


def test_pinning_writes_the_digest_down() -> None:
    assert (
        rewritten("app:1.0", Move(Reference.parse("app:1.0"), "2.0", NEW_DIGEST, pin=True)) == f"app:2.0@{NEW_DIGEST}"
    )


def test_a_pinned_image_without_a_known_digest_is_refused() -> None:
    with pytest.raises(NotEditable, match="digest"):
        rewritten("app:1.0@sha256:" + "a" * 64, Move(Reference.parse("app:1.0"), "2.0", None))


def test_a_file_that_said_another_version_than_ran_is_told_of() -> None:
    move = Move(Reference.parse("app:1.0"), "2.0", None)
    assert drift("app:0.9", move) == "the compose file said app:0.9 while the container ran app:1.0"
    assert drift("app:1.0", move) is None and drift("app:2.0", move) is None and drift("app:$TAG", move) is None


def test_a_file_too_large_or_of_another_encoding_is_refused() -> None:
    for content in (b"#" * (LARGEST + 1), "services: {web: {image: app:1.0}}".encode("utf-16")):
        with pytest.raises(NotEditable):
            moved(content)


def test_a_bomb_of_aliases_takes_no_time() -> None:
    lines = ["x0: &x0 [a, a, a, a, a, a, a, a, a]"]
    lines += [f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 9)}]" for n in range(1, 20)]
    content = "\n".join([*lines, "services: {web: {image: app:1.0}}", ""]).encode()
    assert moved(content) == content.replace(b"app:1.0", b"app:2.0")


def test_endless_nesting_is_refused() -> None:
    with pytest.raises(NotEditable):
        moved(b"services: " + b"[" * 20_000)


def test_the_service_and_its_files_are_read_from_labels() -> None:
    labels = {
        "com.docker.compose.project": "shop",
        "com.docker.compose.service": "web",
        "com.docker.compose.project.config_files": "/srv/a.yml,override.yml",
        "com.docker.compose.project.working_dir": "/srv/shop",
    }
    assert Service.of(labels) == Service("shop", "web", ("/srv/a.yml", "/srv/shop/override.yml"))
    assert files_of(labels | {"dd.compose.file": "/other.yml"}) == ("/other.yml",)
    assert files_of(labels | {"wud.compose.file": "/older.yml"}) == ("/older.yml",)
    assert files_of(labels | {"own.label": "/own.yml"}, "own.label") == ("/own.yml",)
    assert Service.of({"com.docker.compose.project": "shop"}) is None


NAMES = some.from_regex(r"[a-z][a-z0-9_-]{0,12}", fullmatch=True)
COMMENT = some.text(
    some.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="\u2028\u2029\x85\ufeff"), max_size=30
)
QUOTES = some.sampled_from(["", '"', "'"])
NEWLINES = some.sampled_from(["\n", "\r\n"])
TAGS = some.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,15}", fullmatch=True)


@given(
    before=some.lists(NAMES, unique=True, max_size=4),
    comment=COMMENT,
    quote=QUOTES,
    newline=NEWLINES,
    indent=some.integers(1, 6),
    old=TAGS,
    new=TAGS,
    closed=some.booleans(),
)
@example(before=["web"], comment="", quote="", newline="\n", indent=2, old="1", new="2", closed=True)
@example(before=[], comment="image: app:1", quote="'", newline="\r\n", indent=1, old="on", new="null", closed=False)
def test_whatever_stands_around_it_stays(
    before: list[str], comment: str, quote: str, newline: str, indent: int, old: str, new: str, closed: bool
) -> None:
    pad = " " * indent
    others = [f"{pad}{name}:{newline}{pad * 2}image: app:{old} # {comment}" for name in before if name != "web"]
    head = newline.join([f"# {comment}", "services:", *others, f"{pad}web:", f"{pad * 2}image: {quote}app:"])
    tail = f"{quote} # {comment}" + (newline if closed else "")
    content = (head + old + tail).encode()
    assert moved(content, tag=new, image=f"app:{old}") == (head + new + tail).encode()
