"""What every Registry answers: the fake, and the HTTP adapter over a real registry."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from chalicelib.adapters.clock import SystemClock
from chalicelib.adapters.registry.registries import Registries
from chalicelib.domain.container import Platform
from chalicelib.domain.reference import Reference
from chalicelib.ports.registry import NoSuchPlatform, Registry, RegistryNotFound
from tests.docker.registry import ImageRegistry, IndexEntry, image_registry
from tests.fakes.registry import FakeRegistry

AMD64 = Platform("amd64", "linux")
ARM64 = Platform("arm64", "linux", "v8")
ARMV6 = Platform("arm", "linux", "v6")
ARMV7 = Platform("arm", "linux", "v7")


class Subject:
    """A filled registry and the door to ask it through, opened anew for each question."""

    def __init__(self, place: ImageRegistry | FakeRegistry, registries: Registries | None) -> None:
        self.place = place
        self._registries = registries

    @property
    def ask(self) -> Registry:
        if self._registries is not None:
            return self._registries.cycle(fresh=True)
        assert isinstance(self.place, FakeRegistry)
        return self.place

    def reference(self, repository: str, target: str) -> Reference:
        return Reference.parse(self.place.reference(repository, target))


@pytest.fixture(scope="module")
def real() -> Iterator[Subject]:
    with image_registry() as place:
        registries = Registries({}, SystemClock())
        yield Subject(place, registries)
        registries.close()


@pytest.fixture(params=["fake", "real"])
def subject(request: pytest.FixtureRequest) -> Subject:
    if request.param == "fake":
        return Subject(FakeRegistry(), None)
    found: Subject = request.getfixturevalue("real")
    return found


def test_every_tag_of_a_repository_is_listed(subject: Subject) -> None:
    for tag in ("1.0.0", "1.1.0", "latest"):
        subject.place.push_image("listed/app", tag)
    assert sorted(subject.ask.tags(subject.reference("listed/app", "1").repository)) == ["1.0.0", "1.1.0", "latest"]


def test_an_unknown_repository_is_not_found(subject: Subject) -> None:
    with pytest.raises(RegistryNotFound):
        subject.ask.tags(subject.reference("nobody/knows", "1").repository)


def test_an_unknown_tag_is_not_found(subject: Subject) -> None:
    subject.place.push_image("known", "1")
    for question in (
        subject.ask.head,
        lambda r: subject.ask.manifest(r, AMD64),
        lambda r: subject.ask.resolve(r, AMD64),
    ):
        with pytest.raises(RegistryNotFound):
            question(subject.reference("known", "2"))


def test_a_single_image_stands_for_itself(subject: Subject) -> None:
    digest = subject.place.push_image("single", "1", created="2025-02-03T04:05:06Z")
    reference = subject.reference("single", "1")
    assert subject.ask.head(reference) == digest
    found = subject.ask.manifest(reference, AMD64)
    assert (found.digest, found.platform_digest) == (digest, digest)
    assert found.created == datetime(2025, 2, 3, 4, 5, 6, tzinfo=UTC)
    assert found.config_digest is not None and found.config_digest != digest
    resolved = subject.ask.resolve(reference, AMD64)
    assert (resolved.digest, resolved.platform_digest) == (digest, digest)


def test_an_index_stands_for_the_manifest_of_the_platform(subject: Subject) -> None:
    amd = subject.place.push_image("multi", created="2025-01-01T00:00:00Z")
    arm = subject.place.push_image("multi", architecture="arm64", variant="v8", created="2025-01-02T00:00:00Z")
    index = subject.place.push_index("multi", "1", [IndexEntry(amd), IndexEntry(arm, "arm64", "linux", "v8")])
    reference = subject.reference("multi", "1")
    assert subject.ask.head(reference) == index
    for platform, digest, day in ((AMD64, amd, 1), (ARM64, arm, 2), (Platform("arm64", "linux"), arm, 2)):
        found = subject.ask.manifest(reference, platform)
        assert (found.digest, found.platform_digest) == (index, digest)
        assert found.created == datetime(2025, 1, day, tzinfo=UTC)


def test_docker_lists_are_read_like_oci_indexes(subject: Subject) -> None:
    amd = subject.place.push_image("dockerlist")
    index = subject.place.push_index("dockerlist", "1", [IndexEntry(amd)], oci=False)
    found = subject.ask.resolve(subject.reference("dockerlist", "1"), AMD64)
    assert (found.digest, found.platform_digest) == (index, amd)


def test_the_variant_decides_between_equal_architectures(subject: Subject) -> None:
    six = subject.place.push_image("variants", architecture="arm", variant="v6")
    seven = subject.place.push_image("variants", architecture="arm", variant="v7")
    entries = [IndexEntry(six, "arm", "linux", "v6"), IndexEntry(seven, "arm", "linux", "v7")]
    subject.place.push_index("variants", "1", entries)
    reference = subject.reference("variants", "1")
    for platform, digest in ((ARMV6, six), (ARMV7, seven), (Platform("arm", "linux"), seven)):
        assert subject.ask.resolve(reference, platform).platform_digest == digest


def test_a_platform_that_is_not_there_is_said_to_be_missing(subject: Subject) -> None:
    amd = subject.place.push_image("onlyamd")
    subject.place.push_index("onlyamd", "1", [IndexEntry(amd)])
    with pytest.raises(NoSuchPlatform, match="linux/arm64"):
        subject.ask.manifest(subject.reference("onlyamd", "1"), ARM64)


def test_attestations_are_not_mistaken_for_images(subject: Subject) -> None:
    amd = subject.place.push_image("attested")
    subject.place.push_index("attested", "1", [IndexEntry(amd)], attested=True)
    assert subject.ask.resolve(subject.reference("attested", "1"), AMD64).platform_digest == amd
    with pytest.raises(NoSuchPlatform):
        subject.ask.resolve(subject.reference("attested", "1"), Platform("unknown", "unknown"))


@pytest.mark.parametrize("depth", [1, 2])
def test_an_index_inside_an_index_is_followed(subject: Subject, depth: int) -> None:
    amd = subject.place.push_image(f"nested{depth}")
    top = subject.place.push_nested(f"nested{depth}", "1", [IndexEntry(amd)], depth=depth)
    found = subject.ask.resolve(subject.reference(f"nested{depth}", "1"), AMD64)
    assert (found.digest, found.platform_digest) == (top, amd)


def test_a_maze_of_indexes_is_not_followed_for_ever(subject: Subject) -> None:
    amd = subject.place.push_image("maze")
    subject.place.push_nested("maze", "1", [IndexEntry(amd)], depth=5)
    with pytest.raises(NoSuchPlatform):
        subject.ask.resolve(subject.reference("maze", "1"), AMD64)


def test_a_digest_is_asked_for_like_a_tag(subject: Subject) -> None:
    old = subject.place.push_image("pinned", "1", labels={"build": "1"})
    subject.place.push_image("pinned", "1", labels={"build": "2"})
    reference = subject.reference("pinned", old)
    assert subject.ask.head(reference) == old
    assert subject.ask.manifest(reference, AMD64).platform_digest == old


def test_a_tag_that_moved_stands_for_the_new_image(subject: Subject) -> None:
    first = subject.place.push_image("moving", "latest", labels={"build": "1"})
    second = subject.place.push_image("moving", "next", labels={"build": "2"})
    assert subject.ask.head(subject.reference("moving", "latest")) == first
    subject.place.retag("moving", "next", "latest")
    assert subject.ask.head(subject.reference("moving", "latest")) == second


def test_a_deleted_image_is_not_found_any_more(subject: Subject) -> None:
    digest = subject.place.push_image("deleted", "1")
    subject.place.delete("deleted", digest)
    with pytest.raises(RegistryNotFound):
        subject.ask.head(subject.reference("deleted", "1"))
    with pytest.raises(RegistryNotFound):
        subject.ask.resolve(subject.reference("deleted", digest).with_digest(digest), AMD64)


def test_a_registry_that_tells_no_push_date_has_none(subject: Subject) -> None:
    subject.place.push_image("undated", "1")
    assert subject.ask.published(subject.reference("undated", "1")) is None
