"""Which images go once an operation has ended, and which stay whatever happens."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from chalicelib.config import DockerActionSettings
from chalicelib.domain.backup import Backup
from chalicelib.domain.container import Identity
from chalicelib.domain.operation import Operation, Phase
from chalicelib.ports.engine import EngineConflict, EngineUnavailable
from tests.builders.updates import AGENT, Bench

WEB = Identity(AGENT, "local", "web")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Runs 1.0 of an image that is in a registry; 1.1 and 1.2 are offered. One backup is kept, and images pruned."""
    made = Bench(tmp_path, action=DockerActionSettings("local", prune=True, backup_count=1))
    for tag in ("1.0", "1.1", "1.2"):
        made.engine.offer(f"web:{tag}", {"Env": [f"VERSION={tag}"]})
    made.engine.pull("web:1.0")
    made.run("web", "web:1.0")
    return made


def update(bench: Bench, tag: str) -> Operation:
    operation = bench.ask(target=f"web:{tag}", to_version=tag)
    bench.perform(operation)
    ended = bench.ended(operation)
    assert ended.phase is Phase.SUCCEEDED
    return ended


def tags(bench: Bench) -> set[str]:
    return {tag for image in bench.engine.images() for tag in image["RepoTags"]} - {"app:1"}


def ids(bench: Bench) -> set[str]:
    return {image["Id"] for image in bench.engine.images()}


def test_an_image_is_removed_when_its_backup_is_forgotten(bench: Bench) -> None:
    update(bench, "1.1")
    assert tags(bench) == {"web:1.0", "web:1.1"}
    update(bench, "1.2")
    assert tags(bench) == {"web:1.1", "web:1.2"}
    assert [one.image_tag for one in bench.backups.of(WEB)] == ["1.1"]


def test_nothing_is_removed_unless_pruning_is_asked_for(bench: Bench) -> None:
    bench.action = replace(bench.action, prune=False)
    update(bench, "1.1")
    update(bench, "1.2")
    assert tags(bench) == {"web:1.0", "web:1.1", "web:1.2"}
    assert [one.image_tag for one in bench.backups.of(WEB)] == ["1.1"]


def test_an_image_another_backup_refers_to_stays(bench: Bench) -> None:
    image = bench.engine.image("web:1.0")
    bench.backups.add(
        Backup("other", replace(WEB, name="other"), "c", "x", "1", None, image["Id"], bench.clock.now(), "")
    )
    update(bench, "1.1")
    update(bench, "1.2")
    assert "web:1.0" in tags(bench)


def test_an_image_another_backup_knows_by_its_digest_stays(bench: Bench) -> None:
    digest = bench.engine.image("web:1.0")["RepoDigests"][0].partition("@")[2]
    bench.backups.add(Backup("other", replace(WEB, name="other"), "c", "x", "1", digest, None, bench.clock.now(), ""))
    update(bench, "1.1")
    update(bench, "1.2")
    assert "web:1.0" in tags(bench)


@pytest.mark.parametrize("runs", [True, False])
def test_an_image_a_container_uses_stays(bench: Bench, runs: bool) -> None:
    bench.run("sibling", "web:1.0", start=runs)
    update(bench, "1.1")
    update(bench, "1.2")
    assert "web:1.0" in tags(bench)


def test_another_name_the_image_was_given_stays(bench: Bench) -> None:
    bench.engine.tag("web:1.0", "mine:keep")
    bench.engine.tag("web:1.0", "web:keep")
    update(bench, "1.1")
    update(bench, "1.2")
    assert tags(bench) == {"web:keep", "mine:keep", "web:1.1", "web:1.2"}


def test_older_versions_nobody_refers_to_go_newer_ones_and_other_repositories_stay(bench: Bench) -> None:
    for other in ("web:0.9", "web:2.0", "web:latest", "web:0.9-alpine", "db:0.9"):
        bench.engine.offer(other, {"Env": [f"VERSION={other}"]})
        bench.engine.pull(other)
    bench.engine.add_image("web:0.8", {"Env": ["BUILT=here"]})
    update(bench, "1.1")
    assert tags(bench) == {"web:1.0", "web:1.1", "web:2.0", "web:latest", "web:0.9-alpine", "db:0.9", "web:0.8"}


def test_an_image_that_lost_its_tag_to_the_next_one_goes_too(bench: Bench) -> None:
    first = bench.engine.image("web:1.0")["Id"]
    for build in ("two", "three"):
        bench.engine.offer("web:1.0", {"Env": [f"BUILD={build}"]})
        operation = bench.ask(target="web:1.0", to_version=f"sha256:{build}")
        bench.perform(operation)
        assert (first in ids(bench)) == (build == "two")


def test_what_an_open_operation_is_about_to_use_stays(bench: Bench) -> None:
    bench.run("sibling", "web:1.0")
    update(bench, "1.1")
    bench.engine.remove("sibling", force=True)
    waiting = Operation(
        "waiting", replace(WEB, name="new"), "d", bench.clock.now(), bench.clock.now(), target_image="web:1.0"
    )
    bench.operations.open(waiting)
    update(bench, "1.2")
    assert "web:1.0" in tags(bench)


def test_an_image_the_engine_will_not_give_up_is_no_failure(bench: Bench) -> None:
    update(bench, "1.1")
    bench.engine.fail(on="remove_image", times=9, error=EngineConflict("image is being used by stopped container"))
    update(bench, "1.2")
    assert "web:1.0" in tags(bench)
    assert [one.image_tag for one in bench.backups.of(WEB)] == ["1.1"]


def test_whoever_dies_while_pruning_goes_on_with_it(bench: Bench) -> None:
    update(bench, "1.1")
    bench.engine.fail(on="remove_image", error=EngineUnavailable("gone"))
    operation = bench.ask(target="web:1.2", to_version="1.2")
    with pytest.raises(EngineUnavailable):
        bench.perform(operation)
    assert len(bench.backups.of(WEB)) == 2
    bench.perform(operation, bench.claim_again(operation.id))
    assert tags(bench) == {"web:1.1", "web:1.2"}
    assert len(bench.backups.of(WEB)) == 1


def test_updates_in_vain_do_not_push_out_the_backups(bench: Bench) -> None:
    bench.action = replace(bench.action, backup_count=2)
    update(bench, "1.1")
    bench.engine.offer("web:1.3", {}, exits=(0.1, 3))
    for _ in range(4):
        operation = bench.ask(target="web:1.3", to_version="1.3")
        with pytest.raises(Exception, match="exited"):
            bench.perform(operation)
    assert {one.image_tag for one in bench.backups.of(WEB)} == {"1.0", "1.1"}
    assert {"web:1.0", "web:1.1"} <= tags(bench)
