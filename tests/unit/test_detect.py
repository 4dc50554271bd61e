"""A check of one container: what is asked, what is concluded, and what stays when something goes wrong."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.adapters.patterns import Re2Patterns
from chalicelib.domain.container import NO_UPDATE, Container, Platform, UpdateKind
from chalicelib.ports.registry import (
    NoSuchPlatform,
    RegistryDenied,
    RegistryError,
    RegistryGarbled,
    RegistryLimited,
    RegistryNotFound,
    RegistryUnavailable,
    RegistryUntrusted,
)
from chalicelib.usecases.detect import detect
from tests.builders.detection import a_container
from tests.docker.registry import IndexEntry
from tests.fakes.registry import FakeRegistry

NOW = datetime(2026, 3, 18, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=6)
WEB = "registry.example:5000/web"


@pytest.fixture
def registry() -> FakeRegistry:
    return FakeRegistry()


def check(container: Container, registry: FakeRegistry, now: datetime = NOW) -> Container:
    return detect(container, registry, compile=Re2Patterns(), now=now)


def test_a_newer_tag_is_a_candidate(registry: FakeRegistry) -> None:
    for tag in ("2021.6.4", "2021.6.5"):
        registry.push_image("web", tag)
    checked = check(a_container(f"{WEB}:2021.6.4", include_tags=r"^\d+\.\d+\.\d+$"), registry)
    assert checked.error is None
    assert checked.update == UpdateKind("tag", "2021.6.4", "2021.6.5", "patch")
    assert checked.result is not None and checked.result.tag == "2021.6.5"
    assert checked.candidate is not None and checked.candidate.detected_at == NOW
    assert checked.image.digest.watch is False


def test_a_specific_tag_costs_one_question(registry: FakeRegistry) -> None:
    registry.push_image("web", "1.0.0")
    check(a_container(), registry)
    assert registry.asked == ["tags web"]


def test_an_unmoved_word_costs_one_head(registry: FakeRegistry) -> None:
    digest = registry.push_image("web", "stable")
    checked = check(a_container(f"{WEB}:stable", repo_digests=[digest]), registry)
    assert registry.asked == ["head web:stable"]
    assert checked.update == NO_UPDATE and checked.candidate is None and checked.error is None
    assert checked.result is not None and checked.result.digest == digest == checked.image.digest.value


def test_without_a_newer_tag_the_result_is_the_running_tag(registry: FakeRegistry) -> None:
    registry.push_image("web", "1.0.0")
    checked = check(a_container(), registry)
    assert checked.result is not None and checked.result.tag == "1.0.0"
    assert checked.update == NO_UPDATE and checked.candidate is None


def test_a_moved_word_is_a_digest_update(registry: FakeRegistry) -> None:
    old = registry.push_image("web", "stable", labels={"build": "1"})
    new = registry.push_image("web", "stable", labels={"build": "2"})
    checked = check(a_container(f"{WEB}:stable", repo_digests=[old]), registry)
    assert checked.update == UpdateKind("digest", old, new, "unknown")
    assert checked.result is not None and checked.result.tag == "stable"


def test_a_floating_version_is_watched_by_digest_too(registry: FakeRegistry) -> None:
    old = registry.push_image("web", "1.25", labels={"build": "1"})
    new = registry.push_image("web", "1.25", labels={"build": "2"})
    checked = check(a_container(f"{WEB}:1.25", repo_digests=[old]), registry)
    assert checked.update == UpdateKind("digest", old, new, "unknown")


def test_a_newer_tag_comes_before_a_moved_digest(registry: FakeRegistry) -> None:
    old = registry.push_image("web", "1.25", labels={"build": "1"})
    registry.push_image("web", "1.25", labels={"build": "2"})
    newest = registry.push_image("web", "1.26", labels={"build": "3"})
    checked = check(a_container(f"{WEB}:1.25", repo_digests=[old]), registry)
    assert checked.update == UpdateKind("tag", "1.25", "1.26", "minor")
    assert checked.result is not None and checked.result.digest == newest


def test_a_newer_tag_of_the_very_same_image_costs_no_more_than_a_head(registry: FakeRegistry) -> None:
    digest = registry.push_image("web", "1.25")
    registry.retag("web", "1.25", "1.26")
    checked = check(a_container(f"{WEB}:1.25", repo_digests=[digest]), registry)
    assert checked.update == UpdateKind("tag", "1.25", "1.26", "minor")
    assert checked.result is not None and checked.result.digest == digest
    assert registry.asked == ["tags web", "head web:1.26"]


def test_the_operator_may_switch_digests_off(registry: FakeRegistry) -> None:
    old = registry.push_image("web", "stable", labels={"build": "1"})
    registry.push_image("web", "stable", labels={"build": "2"})
    checked = check(a_container(f"{WEB}:stable", repo_digests=[old], watch_digest=False), registry)
    assert checked.update == NO_UPDATE and registry.asked == []
    assert checked.result is not None and "digest is not watched" in (checked.result.no_update_reason or "")


def test_the_operator_may_switch_digests_on(registry: FakeRegistry) -> None:
    old = registry.push_image("web", "1.0.0", labels={"build": "1"})
    new = registry.push_image("web", "1.0.0", labels={"build": "2"})
    checked = check(a_container(repo_digests=[old], watch_digest=True), registry)
    assert checked.update == UpdateKind("digest", old, new, "unknown")


def test_a_container_running_latest_is_told_a_version(registry: FakeRegistry) -> None:
    digest = registry.push_image("web", "latest")
    for tag in ("1.0.0", "1.1.0", "1.2.0-rc1"):
        registry.push_image("web", tag)
    checked = check(a_container(f"{WEB}:latest", repo_digests=[digest]), registry)
    assert checked.result is not None and checked.result.suggested_tag == "1.1.0"
    assert checked.update == NO_UPDATE


def test_a_local_image_is_no_question_to_a_registry(registry: FakeRegistry) -> None:
    checked = check(a_container("my-build:1.0.0", repo_digests=()), registry)
    assert registry.asked == []
    assert checked.error is None and checked.candidate is None
    assert checked.result is not None and "built or loaded on its host" in (checked.result.no_update_reason or "")


def test_another_family_is_given_as_the_reason(registry: FakeRegistry) -> None:
    for tag in ("1.0.0", "v1.1.0", "v1.2.0"):
        registry.push_image("web", tag)
    checked = check(a_container(), registry)
    assert checked.result is not None and "2 higher tags" in (checked.result.no_update_reason or "")


def test_another_image_may_be_looked_up(registry: FakeRegistry) -> None:
    registry.push_image("upstream/web", "1.1.0")
    checked = check(a_container(lookup_image="registry.example:5000/upstream/web"), registry)
    assert checked.update.remote_value == "1.1.0"
    assert checked.image.reference == f"{WEB}:1.0.0"


def test_a_lookup_image_that_is_no_name_is_an_error(registry: FakeRegistry) -> None:
    checked = check(a_container(lookup_image="https://registry.example/web"), registry)
    assert checked.error is not None and "is not an image" in checked.error


def test_links_are_rendered_for_the_running_and_the_offered_tag(registry: FakeRegistry) -> None:
    registry.push_image("web", "1.1.0")
    checked = check(a_container(link_template="https://x/v${major}.${minor}"), registry)
    assert checked.link == "https://x/v1.0"
    assert checked.result is not None and checked.result.link == "https://x/v1.1"


def test_a_transform_never_leaks_into_the_result(registry: FakeRegistry) -> None:
    for tag in ("1.0.0-ls1", "1.1.0-ls2"):
        registry.push_image("web", tag)
    checked = check(a_container(f"{WEB}:1.0.0-ls1", transform_tags=r"^(\d+\.\d+\.\d+)-ls\d+$ => $1"), registry)
    assert checked.update == UpdateKind("tag", "1.0.0-ls1", "1.1.0-ls2", "minor")
    assert checked.result is not None and checked.result.tag == "1.1.0-ls2"


def test_a_broken_transform_is_an_error_and_a_broken_filter_is_not(registry: FakeRegistry) -> None:
    registry.push_image("web", "1.1.0")
    assert "is not a pattern" in (check(a_container(transform_tags="( => $1"), registry).error or "")
    assert check(a_container(include_tags="("), registry).update.remote_value == "1.1.0"


def test_what_was_derived_from_a_label_is_derived_anew(registry: FakeRegistry) -> None:
    registry.push_image("web", "1.0.0")
    watched = a_container(watch_digest=True)
    checked = check(replace(watched, wishes=replace(watched.wishes, watch_digest=None)), registry)
    assert checked.image.digest.watch is False


def test_a_push_date_is_kept_with_its_candidate(registry: FakeRegistry) -> None:
    pushed = NOW - timedelta(days=3)
    registry.push_image("web", "1.1.0")
    registry.pushed_at["1.1.0"] = pushed
    checked = check(a_container(), registry)
    assert checked.result is not None and checked.result.published_at == pushed
    assert checked.candidate is not None and checked.candidate.published_at == pushed


def test_the_clock_of_a_candidate_runs_on_through_checks_and_errors(registry: FakeRegistry) -> None:
    registry.push_image("web", "1.1.0")
    checked = check(a_container(), registry)
    registry.trouble["web"] = RegistryUnavailable("down")
    checked = check(checked, registry, NOW + timedelta(hours=1))
    del registry.trouble["web"]
    checked = check(checked, registry, LATER)
    assert checked.error is None
    assert checked.candidate is not None and checked.candidate.detected_at == NOW


def test_a_newer_candidate_has_a_clock_of_its_own(registry: FakeRegistry) -> None:
    registry.push_image("web", "1.1.0")
    checked = check(a_container(), registry)
    registry.push_image("web", "1.2.0")
    checked = check(checked, registry, LATER)
    assert checked.candidate is not None and checked.candidate.detected_at == LATER


def test_a_candidate_that_is_gone_is_no_candidate(registry: FakeRegistry) -> None:
    registry.push_image("web", "1.0.0", labels={"n": "0"})
    digest = registry.push_image("web", "1.1.0")
    checked = check(a_container(), registry)
    registry.delete("web", digest)
    checked = check(checked, registry, LATER)
    assert checked.candidate is None and checked.update == NO_UPDATE


TROUBLES = [
    RegistryUnavailable("registry.example does not answer in time"),
    RegistryLimited("registry.example asks us to wait", 60),
    RegistryDenied("registry.example refuses anonymous access"),
    RegistryNotFound("registry.example does not have it"),
    RegistryUntrusted("registry.example redirects to evil.example"),
    RegistryGarbled("registry.example answers something that is no tag list"),
]


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: type(trouble).__name__)
def test_registry_trouble_is_said_and_the_last_result_stays(registry: FakeRegistry, trouble: RegistryError) -> None:
    registry.push_image("web", "1.1.0")
    before = check(a_container(), registry)
    registry.trouble["*"] = trouble
    after = check(before, registry, LATER)
    assert after.error == str(trouble)
    assert (after.result, after.update, after.candidate) == (before.result, before.update, before.candidate)


def test_a_first_check_that_fails_leaves_a_result_and_the_next_one_works(registry: FakeRegistry) -> None:
    registry.trouble["*"] = RegistryUnavailable("down")
    failed = check(a_container(), registry)
    assert failed.result is not None and failed.candidate is None and failed.error == "down"
    registry.trouble.clear()
    registry.push_image("web", "1.1.0")
    checked = check(failed, registry)
    assert checked.error is None and checked.update.remote_value == "1.1.0"


def test_a_digest_that_cannot_be_learnt_keeps_the_tag_found(registry: FakeRegistry) -> None:
    registry.push_image("web", "16")
    registry.push_index("web", "17", [IndexEntry(registry.push_image("web", architecture="arm64"), "arm64")])
    checked = check(a_container(f"{WEB}:16"), registry)
    assert checked.update == UpdateKind("tag", "16", "17", "major")
    assert checked.error is not None and "linux/amd64" in checked.error


def test_a_missing_platform_is_an_error_and_never_up_to_date(registry: FakeRegistry) -> None:
    digest = registry.push_image("web", "stable", labels={"n": "1"})
    before = check(a_container(f"{WEB}:stable", repo_digests=[digest]), registry)
    registry.push_index("web", "stable", [IndexEntry(registry.push_image("web", architecture="arm64"), "arm64")])
    after = check(before, registry)
    assert after.error is not None and "no manifest for linux/amd64" in after.error
    assert after.result == before.result


def test_tags_that_are_denied_do_not_hide_a_moved_digest(registry: FakeRegistry) -> None:
    old = registry.push_image("web", "latest", labels={"n": "1"})
    new = registry.push_image("web", "latest", labels={"n": "2"})

    class NoLists(FakeRegistry):
        def tags(self, repository: object) -> list[str]:
            raise RegistryDenied("no lists for you")

    hidden = NoLists()
    hidden.__dict__.update(registry.__dict__)
    checked = check(a_container(f"{WEB}:latest", repo_digests=[old]), hidden)
    assert checked.update == UpdateKind("digest", old, new, "unknown")
    assert checked.error == "no lists for you"


def test_old_digests_that_nobody_can_resolve_are_an_error(registry: FakeRegistry) -> None:
    registry.push_image("web", "stable", labels={"n": "2"})
    gone = "sha256:" + "9" * 64
    checked = check(a_container(f"{WEB}:stable", repo_digests=[gone], image_id=gone), registry)
    assert checked.error is not None and checked.candidate is None
    assert checked.update == NO_UPDATE


def test_an_old_manifest_deleted_by_its_registry_does_not_hide_the_update(registry: FakeRegistry) -> None:
    new = registry.push_image("web", "stable", labels={"n": "2"})
    gone, image_id = "sha256:" + "9" * 64, "sha256:" + "8" * 64
    checked = check(a_container(f"{WEB}:stable", repo_digests=[gone], image_id=image_id), registry)
    assert checked.error is None
    assert checked.update == UpdateKind("digest", gone, new, "unknown")


def test_an_old_manifest_that_cannot_be_reached_is_an_error(registry: FakeRegistry) -> None:
    registry.push_image("web", "stable", labels={"n": "2"})

    class Flaky(FakeRegistry):
        def resolve(self, reference: object, platform: Platform) -> object:  # type: ignore[override]
            raise RegistryUnavailable("down")

    flaky = Flaky()
    flaky.__dict__.update(registry.__dict__)
    checked = check(a_container(f"{WEB}:stable", image_id="sha256:" + "8" * 64), flaky)
    assert checked.error == "down" and checked.candidate is None


def test_the_same_image_id_is_the_same_image_whatever_its_manifest(registry: FakeRegistry) -> None:
    new = registry.push_image("web", "stable", labels={"n": "2"})
    running = a_container(f"{WEB}:stable", image_id=registry.config_digest("web", new))
    checked = check(running, registry)
    assert checked.update == NO_UPDATE and checked.error is None


def test_an_image_pinned_by_digest_is_compared_with_latest(registry: FakeRegistry) -> None:
    old = registry.push_image("web", "latest", labels={"n": "1"})
    new = registry.push_image("web", "latest", labels={"n": "2"})
    registry.push_image("web", "1.0.0")
    checked = check(a_container(f"{WEB}@{old}", repo_digests=[old]), registry)
    assert checked.update == UpdateKind("digest", old, new, "unknown")


def test_a_check_of_one_container_never_raises_for_a_missing_platform(registry: FakeRegistry) -> None:
    registry.trouble["web"] = NoSuchPlatform("There is no manifest for linux/amd64")
    assert check(a_container(f"{WEB}:stable"), registry).error == "There is no manifest for linux/amd64"
