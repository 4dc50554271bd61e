"""What is to be done about an operation that did not go through, for everything that can stand on a host."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as some

from chalicelib.domain.container import Identity
from chalicelib.domain.operation import RECREATION, Operation, Phase
from chalicelib.domain.recovery import Course, Observed, Plan, Seen, Step, plan

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
TEMPORARY = "web-old-1790000000000"
OLD, NEW, STRANGER = "old-id", "new-id", "stranger-id"
FRESH = Operation("operation", Identity("local", "local", "web"), OLD, NOW, NOW)
FORWARD = (Phase.RENAMED, Phase.NEW_CREATED, Phase.OLD_STOPPED, Phase.NEW_STARTED, Phase.HEALTH_GATE)


def operation(phase: Phase = Phase.NEW_STARTED, *, committed: bool = False, was_running: bool = True) -> Operation:
    """One that has been told to be at this phase; the host has been touched."""
    begun = replace(FRESH, temp_name=TEMPORARY, was_running=was_running, committed=committed)
    return begun.at(phase, NOW)


def old(name: str = TEMPORARY, *, running: bool = False) -> Seen:
    return Seen(OLD, name, running)


def new(*, running: bool = True, health: str | None = None) -> Seen:
    return Seen(NEW, "web", running, health)


def stranger() -> Seen:
    return Seen(STRANGER, "web", True)


def test_what_has_not_touched_the_host_begins_again() -> None:
    assert plan(FRESH, Observed(old("web", running=True)), failed=False).course is Course.BEGIN_AGAIN


def test_what_was_about_to_rename_begins_again() -> None:
    about = operation(Phase.PREPARE)
    assert plan(about, Observed(old("web", running=True)), failed=False).course is Course.BEGIN_AGAIN


@pytest.mark.parametrize("phase", [Phase.OLD_STOPPED, Phase.NEW_STARTED, Phase.HEALTH_GATE])
def test_a_running_successor_goes_on_to_prove_itself(phase: Phase) -> None:
    assert plan(operation(phase), Observed(old(), new()), failed=False) == Plan(course=Course.RESUME_GATE)


def test_a_running_successor_goes_on_even_when_the_old_one_removed_itself() -> None:
    assert plan(operation(), Observed(None, new(), recreatable=True), failed=False).course is Course.RESUME_GATE


def test_an_unhealthy_successor_is_taken_down() -> None:
    found = plan(operation(Phase.HEALTH_GATE), Observed(old(), new(health="unhealthy")), failed=False)
    assert found == Plan((Step.STOP_NEW, Step.REMOVE_NEW, Step.RESTORE_NAME, Step.START_OLD))


def test_two_running_at_once_are_never_let_be() -> None:
    found = plan(operation(), Observed(old(running=True), new()), failed=False)
    assert found == Plan((Step.STOP_NEW, Step.REMOVE_NEW, Step.RESTORE_NAME))


def test_a_renamed_container_gets_its_name_back() -> None:
    found = plan(operation(Phase.RENAMED), Observed(old(running=True)), failed=False)
    assert found == Plan((Step.RESTORE_NAME,))


def test_a_successor_that_was_never_started_is_removed() -> None:
    found = plan(operation(Phase.NEW_CREATED), Observed(old(running=True), new(running=False)), failed=True)
    assert found == Plan((Step.REMOVE_NEW, Step.RESTORE_NAME))


def test_a_container_that_did_not_run_is_not_started() -> None:
    stopped = operation(Phase.NEW_CREATED, was_running=False)
    found = plan(stopped, Observed(old(), new(running=False)), failed=True)
    assert found == Plan((Step.REMOVE_NEW, Step.RESTORE_NAME))


def test_a_failed_rename_leaves_nothing_to_do() -> None:
    found = plan(operation(Phase.PREPARE), Observed(old("web", running=True)), failed=True)
    assert found == Plan(end=Phase.FAILED)


def test_a_rollback_found_complete_is_told_as_one() -> None:
    undone = operation(Phase.NEW_STARTED).at(Phase.ROLLBACK_STARTED, NOW)
    assert plan(undone, Observed(old("web", running=True)), failed=True) == Plan(end=Phase.ROLLED_BACK)


@pytest.mark.parametrize("failed", [False, True])
def test_a_committed_successor_stays(failed: bool) -> None:
    kept = operation(committed=True)
    assert plan(kept, Observed(old(), new()), failed=failed) == Plan((Step.REMOVE_OLD,), end=Phase.SUCCEEDED)
    assert plan(kept, Observed(None, new()), failed=failed) == Plan(end=Phase.SUCCEEDED)


def test_a_committed_successor_that_was_stopped_runs_before_the_old_one_goes() -> None:
    found = plan(operation(committed=True), Observed(old(), new(running=False)), failed=False)
    assert found == Plan((Step.START_NEW, Step.REMOVE_OLD), end=Phase.SUCCEEDED)


def test_a_committed_successor_of_a_stopped_container_stays_stopped() -> None:
    kept = operation(Phase.NEW_CREATED, committed=True, was_running=False)
    found = plan(kept, Observed(old(), new(running=False)), failed=False)
    assert found == Plan((Step.REMOVE_OLD,), end=Phase.SUCCEEDED)


def test_when_a_committed_successor_is_gone_the_old_one_comes_back() -> None:
    found = plan(operation(committed=True), Observed(old()), failed=False)
    assert found == Plan((Step.RESTORE_NAME, Step.START_OLD))


def test_a_container_that_removed_itself_is_made_again() -> None:
    found = plan(operation(), Observed(None, new(running=False), recreatable=True), failed=True)
    assert found.steps == (Step.RECREATE_OLD,)


def test_a_container_somebody_removed_before_any_act_is_not_made_again() -> None:
    found = plan(operation(Phase.PREPARE), Observed(recreatable=True), failed=True)
    assert (found.steps, found.end) == ((), Phase.FAILED)


def test_without_its_description_the_successor_is_all_there_is() -> None:
    died = plan(operation(), Observed(None, new(running=False)), failed=False)
    assert died == Plan((Step.START_NEW,), end=Phase.SUCCEEDED)
    failed = plan(operation(), Observed(None, new(running=False)), failed=True)
    assert (failed.steps, failed.end) == ((Step.START_NEW,), Phase.ROLLBACK_FAILED)
    assert failed.problem


def test_both_gone_is_told() -> None:
    found = plan(operation(), Observed(), failed=True)
    assert (found.steps, found.end) == ((), Phase.ROLLBACK_FAILED)
    assert found.problem == "the container and its replacement are both gone"


def test_a_stranger_under_the_name_is_left_alone_and_the_old_one_runs() -> None:
    found = plan(operation(), Observed(old(), new(), stranger()), failed=True)
    assert found.steps == (Step.STOP_NEW, Step.REMOVE_NEW, Step.START_OLD)
    assert found.end is Phase.ROLLBACK_FAILED
    assert found.problem == f"another container took the name web; the old one is left as {TEMPORARY}"


def test_nothing_is_made_beside_a_stranger_who_took_the_place() -> None:
    found = plan(operation(), Observed(stranger=stranger(), recreatable=True), failed=True)
    assert (found.steps, found.end) == ((), Phase.ROLLBACK_FAILED)


def copied(phase: Phase) -> Operation:
    """One that makes a container anew, since what it lived in has been replaced."""
    return replace(operation(phase), kind=RECREATION)


def test_a_copy_begins_again_though_its_container_has_ended_with_its_namespace() -> None:
    seen = Observed(old=Seen(OLD, "web", False))
    assert plan(copied(Phase.PREPARE), seen, failed=False).course is Course.BEGIN_AGAIN


def test_nothing_is_started_in_a_namespace_that_is_no_more() -> None:
    seen = Observed(old=Seen(OLD, TEMPORARY, False), new=Seen(NEW, "web", True))
    found = plan(copied(Phase.NEW_STARTED), seen, failed=True)
    assert (found.steps, found.end) == (
        (Step.STOP_NEW, Step.REMOVE_NEW, Step.RESTORE_NAME),
        Phase.ROLLBACK_FAILED,
    )
    assert "no more" in (found.problem or "")


@dataclass
class Host:
    """Containers of a simulated host by id."""

    containers: dict[str, Seen]
    recreatable: bool

    def observed(self) -> Observed:
        found = [self.containers.get(one) for one in (OLD, NEW, STRANGER)]
        return Observed(*found, recreatable=self.recreatable and OLD not in self.containers)

    def act(self, step: Step) -> None:
        """Does it as an engine would, which refuses a name that is taken."""
        if step is Step.STOP_NEW:
            self._become(NEW, running=False)
        elif step is Step.REMOVE_NEW:
            del self.containers[NEW]
        elif step is Step.RECREATE_OLD:
            self.containers[OLD] = Seen(OLD, TEMPORARY, False)
        elif step is Step.RESTORE_NAME:
            assert "web" not in {one.name for one in self.containers.values()}
            self._become(OLD, name="web")
        elif step is Step.START_OLD:
            self._become(OLD, running=True)
        elif step is Step.START_NEW:
            self._become(NEW, running=True)
        elif step is Step.REMOVE_OLD:
            del self.containers[OLD]

    def _become(self, container: str, **facts: object) -> None:
        self.containers[container] = replace(self.containers[container], **facts)  # type: ignore[arg-type]


@some.composite
def scenes(draw: some.DrawFn) -> tuple[Operation, Host]:
    """Any operation with any host it may be found on: the old container and others may be there, running or not."""
    was_running, committed = draw(some.booleans()), draw(some.booleans())
    found = operation(draw(some.sampled_from((Phase.PREPARE, *FORWARD))), committed=committed, was_running=was_running)
    if draw(some.booleans()):
        found = found.at(Phase.ROLLBACK_STARTED, NOW)
    holder = draw(some.sampled_from(["new", "stranger", "old", "nobody"]))
    containers = {}
    if holder == "old" or draw(some.booleans()):
        name = "web" if holder == "old" else TEMPORARY
        containers[OLD] = Seen(OLD, name, draw(some.booleans()))
    if holder == "new":
        health = draw(some.sampled_from([None, "healthy", "unhealthy"]))
        containers[NEW] = Seen(NEW, "web", draw(some.booleans()), health)
    if holder == "stranger":
        containers[STRANGER] = Seen(STRANGER, "web", True)
    return found, Host(containers, draw(some.booleans()))


@given(scenes(), some.booleans())
def test_every_host_becomes_whole_in_two_rounds(scene: tuple[Operation, Host], failed: bool) -> None:
    found, host = scene
    there_was = set(host.containers)
    course = plan(found, host.observed(), failed=failed)
    if course.course is not Course.END:
        assert not failed and not course.steps
        return
    for _ in range(2):
        for step in course.steps:
            host.act(step)
        course = plan(found, host.observed(), failed=True)
    assert course.steps == ()
    named = [one for one in host.containers.values() if one.name == "web"]
    assert len(named) == 1 or (not named and not host.containers)
    if STRANGER in there_was:
        assert named == [stranger()]
    elif named:
        assert found.was_running is False or named[0].running
        assert len(host.containers) == 1
    if OLD in there_was and not found.committed:
        assert OLD in host.containers
    if not there_was and not host.recreatable:
        assert course.end in (Phase.ROLLBACK_FAILED, Phase.FAILED)
