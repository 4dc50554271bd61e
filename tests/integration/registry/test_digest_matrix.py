"""Digest detection against a real registry: every shape an image can have there, and every way it can move."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from chalicelib.adapters.clock import SystemClock
from chalicelib.adapters.patterns import Re2Patterns
from chalicelib.adapters.registry.registries import Registries
from chalicelib.domain.container import NO_UPDATE, Container, Platform
from chalicelib.usecases.detect import detect
from tests.builders.detection import a_container
from tests.docker.images import make_image
from tests.docker.registry import ImageRegistry, IndexEntry, image_registry

NOW = datetime(2026, 3, 18, 12, 0, tzinfo=UTC)
ARM64 = Platform("arm64", "linux", "v8")


@pytest.fixture(scope="module")
def place() -> Iterator[ImageRegistry]:
    with image_registry() as found:
        yield found


@pytest.fixture(scope="module")
def registries() -> Iterator[Registries]:
    found = Registries({}, SystemClock())
    yield found
    found.close()


class Host:
    """Containers of one repository, and their checks."""

    def __init__(self, place: ImageRegistry, registries: Registries, repository: str) -> None:
        self.place = place
        self.repository = repository
        self._registries = registries

    def running(self, *digests: str, image: str = "0" * 64, platform: Platform | None = None) -> Container:
        """A container of the tag `stable` whose engine knows these RepoDigests and this image id."""
        return a_container(
            self.place.reference(self.repository, "stable"),
            repo_digests=digests,
            image_id=f"sha256:{image}" if ":" not in image else image,
            platform=platform or Platform("amd64", "linux"),
        )

    def check(self, container: Container) -> Container:
        return detect(container, self._registries.cycle(fresh=True), compile=Re2Patterns(), now=NOW)

    def image(self, build: str, tag: str | None = None, **image: str) -> str:
        return self.place.push_image(self.repository, tag, labels={"build": build}, **image)


@pytest.fixture
def host(place: ImageRegistry, registries: Registries, request: pytest.FixtureRequest) -> Host:
    name = request.node.name.partition("[")[0].removeprefix("test_").replace("__", "_")
    return Host(place, registries, f"matrix/{name}"[:120])


def same(checked: Container) -> bool:
    return checked.error is None and checked.update == NO_UPDATE and checked.candidate is None


def moved(checked: Container, old: str, new: str) -> bool:
    kind = checked.update
    return checked.error is None and (kind.kind, kind.local_value, kind.remote_value) == ("digest", old, new)


def test_a_single_manifest_that_did_not_move(host: Host) -> None:
    digest = host.image("1", "stable")
    assert same(host.check(host.running(digest)))


def test_a_single_manifest_that_moved(host: Host) -> None:
    old, new = host.image("1", "stable"), host.image("2", "stable")
    checked = host.check(host.running(old))
    assert moved(checked, old, new)
    assert checked.result is not None and checked.result.created == datetime(2024, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("oci", [True, False], ids=["oci-index", "docker-list"])
def test_an_index_that_did_not_move(host: Host, oci: bool) -> None:
    index = host.place.push_index(host.repository, "stable", [IndexEntry(host.image("1"))], oci=oci)
    assert same(host.check(host.running(index)))


@pytest.mark.parametrize("oci", [True, False], ids=["oci-index", "docker-list"])
def test_an_index_that_moved_for_this_platform(host: Host, oci: bool) -> None:
    old, new = host.image("1"), host.image("2")
    before = host.place.push_index(host.repository, "stable", [IndexEntry(old)], oci=oci)
    host.place.push_index(host.repository, "stable", [IndexEntry(new)], oci=oci)
    assert moved(host.check(host.running(before)), old, new)


def test_a_rebuild_for_another_architecture_is_no_update(host: Host) -> None:
    ours, theirs = host.image("1"), host.image("1", architecture="arm64")
    rebuilt = host.image("2", architecture="arm64")
    before = host.place.push_index(host.repository, "stable", [IndexEntry(ours), IndexEntry(theirs, "arm64")])
    host.place.push_index(host.repository, "stable", [IndexEntry(ours), IndexEntry(rebuilt, "arm64")])
    assert same(host.check(host.running(before)))
    assert moved(host.check(host.running(before, platform=ARM64)), theirs, rebuilt)


def test_an_index_around_the_manifest_that_runs_is_no_update(host: Host) -> None:
    ours = host.image("1", "stable")
    host.place.push_index(host.repository, "stable", [IndexEntry(ours)])
    assert same(host.check(host.running(ours)))


def test_the_manifest_out_of_the_index_that_was_pulled_is_no_update(host: Host) -> None:
    ours = host.image("1")
    index = host.place.push_index(host.repository, "stable", [IndexEntry(ours)])
    host.place.retag(host.repository, ours, "stable")
    assert same(host.check(host.running(index)))


def test_attestations_added_to_an_index_are_no_update(host: Host) -> None:
    ours = host.image("1")
    before = host.place.push_index(host.repository, "stable", [IndexEntry(ours)])
    host.place.push_index(host.repository, "stable", [IndexEntry(ours)], attested=True)
    assert same(host.check(host.running(before)))


def test_any_of_several_repo_digests_may_be_the_one(host: Host) -> None:
    old, current = host.image("1"), host.image("2", "stable")
    assert same(host.check(host.running(old, current)))
    assert same(host.check(host.running(current, old)))


def test_any_of_several_repo_digests_may_hold_the_manifest(host: Host) -> None:
    old, current = host.image("1"), host.image("2")
    first = host.place.push_index(host.repository, "first", [IndexEntry(old)])
    second = host.place.push_index(host.repository, "second", [IndexEntry(current)], oci=False)
    host.place.push_index(host.repository, "stable", [IndexEntry(current)])
    assert same(host.check(host.running(first, second)))


def test_none_of_several_repo_digests_is_an_update_from_the_first(host: Host) -> None:
    one, two, new = host.image("1"), host.image("2"), host.image("3", "stable")
    assert moved(host.check(host.running(one, two)), one, new)


def test_a_repo_digest_that_is_gone_does_not_hide_another_that_is_the_one(host: Host) -> None:
    ours = host.image("1")
    index = host.place.push_index(host.repository, "old", [IndexEntry(ours)])
    host.place.push_index(host.repository, "stable", [IndexEntry(ours)], oci=False)
    assert same(host.check(host.running("sha256:" + "9" * 64, index)))


def test_a_nested_index_is_followed(host: Host) -> None:
    old, new = host.image("1"), host.image("2")
    before = host.place.push_nested(host.repository, "stable", [IndexEntry(old)])
    assert same(host.check(host.running(before)))
    host.place.push_nested(host.repository, "stable", [IndexEntry(new)], depth=2)
    assert moved(host.check(host.running(before)), old, new)


def test_a_nested_index_over_the_same_manifest_is_no_update(host: Host) -> None:
    ours = host.image("1")
    before = host.place.push_index(host.repository, "stable", [IndexEntry(ours)])
    host.place.push_nested(host.repository, "stable", [IndexEntry(ours)])
    assert same(host.check(host.running(before)))


def test_a_platform_that_went_missing_is_an_error(host: Host) -> None:
    ours, theirs = host.image("1"), host.image("1", architecture="arm64")
    before = host.place.push_index(host.repository, "stable", [IndexEntry(ours), IndexEntry(theirs, "arm64")])
    known = host.check(host.running(before))
    host.place.push_index(host.repository, "stable", [IndexEntry(theirs, "arm64")])
    checked = host.check(known)
    assert checked.error == "There is no manifest for linux/amd64"
    assert checked.result == known.result and checked.candidate is None


def test_a_deleted_tag_is_an_error_and_the_last_result_stays(host: Host) -> None:
    old, new = host.image("1", "stable"), host.image("2", "stable")
    known = host.check(host.running(old))
    assert moved(known, old, new)
    host.place.delete(host.repository, new)
    checked = host.check(known)
    assert checked.error is not None and "404" in checked.error
    assert (checked.result, checked.candidate) == (known.result, known.candidate)


def test_a_tag_that_moved_back_is_no_update_any_more(host: Host) -> None:
    old, new = host.image("1", "stable"), host.image("2", "stable")
    known = host.check(host.running(old))
    assert moved(known, old, new)
    host.place.retag(host.repository, old, "stable")
    assert same(host.check(known))


def test_a_tag_that_moved_on_is_another_candidate(host: Host) -> None:
    old, _ = host.image("1", "stable"), host.image("2", "stable")
    known = host.check(host.running(old))
    newest = host.image("3", "stable")
    assert moved(host.check(known), old, newest)


def test_the_manifest_of_the_running_image_written_anew_is_no_update(host: Host) -> None:
    built = make_image(labels={"build": "1"})
    old = host.image("1", "stable")
    host.image("1", "stable", oci=True)  # type: ignore[arg-type]
    assert same(host.check(host.running(old, image=built.id)))


def test_an_old_manifest_that_its_registry_deleted_does_not_hide_the_update(host: Host) -> None:
    built = make_image(labels={"build": "1"})
    old, new = host.image("1"), host.image("2", "stable")
    host.place.delete(host.repository, old)
    assert moved(host.check(host.running(old, image=built.id)), old, new)


def test_an_engine_that_keeps_manifests_as_image_ids_is_understood(host: Host) -> None:
    old, new = host.image("1", "stable"), host.image("2", "next")
    running = host.running(old, image=old)
    assert same(host.check(running))
    host.place.retag(host.repository, new, "stable")
    assert moved(host.check(running), old, new)


def test_the_answer_does_not_flip_between_checks(host: Host) -> None:
    ours, theirs = host.image("1"), host.image("2", architecture="arm64")
    before = host.place.push_index(host.repository, "stable", [IndexEntry(ours)])
    container = host.check(host.running(before))
    assert same(container)
    host.place.push_index(host.repository, "stable", [IndexEntry(ours), IndexEntry(theirs, "arm64")])
    for _ in range(3):
        container = host.check(container)
        assert same(container)
    assert container.image.digest.value == ours
