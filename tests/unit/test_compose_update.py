"""An update by a compose trigger: the file is looked at before the container is touched, and changed after it moved."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from chalicelib.domain.command import Command, CommandKind
from chalicelib.domain.compose import NotEditable
from chalicelib.domain.container import Identity
from chalicelib.domain.errors import Failed, Unavailable
from chalicelib.domain.operation import ROLLBACK, Operation, Phase
from local_runtime.executor.compose import write
from local_runtime.executor.compose.foretell import foretell
from local_runtime.executor.compose.places import (
    Mount,
    configured_file,
    included,
    mounts_of,
    regular_file,
    seen_from_here,
    within,
)
from local_runtime.executor.compose.write import Files, locked
from tests.builders.composed import FILE, MOVED, ComposedBench, labels
from tests.builders.updates import AGENT

CHANGING = {"pull", "rename", "create", "stop", "start", "remove"}


@pytest.fixture
def bench(tmp_path: Path) -> ComposedBench:
    return ComposedBench(tmp_path)


def refused(bench: ComposedBench, **facts: Any) -> Operation:
    """An update that must fail with the container as it was."""
    bench.engine.calls.clear()
    operation = bench.ask(**({"trigger": "dockercompose.main"} | facts))
    with pytest.raises(Failed):
        bench.perform(operation)
    ended = bench.ended(operation)
    assert ended.phase is Phase.FAILED
    assert {name for name, _ in bench.engine.calls} & CHANGING <= {"pull"}
    assert bench.names() == {"web": "running"}
    return ended


def back(bench: ComposedBench) -> dict[str, Any]:
    """A rollback from 2 to 1."""
    image = bench.engine.image("app:1")["Id"]
    return {"kind": ROLLBACK, "target": "app:1", "from_version": "2", "to_version": "1", "wanted_image_id": image}


def test_the_file_says_what_runs_once_the_container_has_moved(bench: ComposedBench) -> None:
    bench.run_service()
    assert bench.move().phase is Phase.SUCCEEDED
    assert bench.file.read_bytes() == MOVED
    ((status, details),) = bench.notes("compose-file")
    assert (status, details) == ("success", f"{bench.file}: app:1 became app:2")
    assert sorted(path.name for path in bench.folder.iterdir() if path.is_file()) == ["compose.yml"]


def test_mode_and_owner_stay_and_the_former_file_is_kept_when_asked_for(tmp_path: Path) -> None:
    bench = ComposedBench(tmp_path, options={"backup": "true"})
    bench.file.chmod(0o640)
    os.chown(bench.file, 12345, 54321)
    bench.run_service()
    bench.move()
    found = bench.file.stat()
    assert (found.st_mode & 0o7777, found.st_uid, found.st_gid) == (0o640, 12345, 54321)
    assert (tmp_path / "compose.yml.back").read_bytes() == FILE


def test_a_link_stays_a_link(bench: ComposedBench) -> None:
    real = bench.folder / "repository" / "stack.yml"
    real.parent.mkdir()
    bench.file.rename(real)
    bench.file.symlink_to(real)
    bench.run_service()
    bench.move()
    assert bench.file.is_symlink() and real.read_bytes() == MOVED


def test_a_docker_trigger_leaves_files_alone(bench: ComposedBench) -> None:
    bench.run_service()
    bench.move(trigger="docker.local")
    assert bench.file.read_bytes() == FILE and not bench.notes("compose-file")


def test_a_container_that_compose_did_not_make_is_updated_without_a_file(bench: ComposedBench) -> None:
    bench.run()
    assert bench.move().phase is Phase.SUCCEEDED
    assert bench.file.read_bytes() == FILE and not bench.notes("compose-file")


def test_a_failed_update_leaves_the_file_alone(bench: ComposedBench) -> None:
    bench.run_service()
    bench.engine.offer("app:2", {"Env": ["VERSION=2"]}, exits=3)
    operation = bench.ask(trigger="dockercompose.main")
    with pytest.raises(Failed):
        bench.perform(operation)
    assert bench.ended(operation).phase is Phase.ROLLED_BACK
    assert bench.file.read_bytes() == FILE


def test_going_back_takes_the_file_back(bench: ComposedBench) -> None:
    bench.run_service()
    bench.move()
    assert bench.move(**back(bench)).phase is Phase.SUCCEEDED
    assert bench.file.read_bytes() == FILE


def test_a_way_back_is_never_refused_for_the_sake_of_a_file(bench: ComposedBench) -> None:
    bench.run_service()
    bench.move()
    bench.file.unlink()
    assert bench.move(**back(bench)).phase is Phase.SUCCEEDED
    assert [status for status, _ in bench.notes("compose-file")] == ["success", "error"]


def test_a_dry_run_changes_nothing(tmp_path: Path) -> None:
    bench = ComposedBench(tmp_path, options={"dryrun": "true"})
    bench.run_service()
    bench.move()
    assert bench.file.read_bytes() == FILE and bench.engine.inspect("web")["Config"]["Image"] == "app:1"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"services: {db: {image: 'app:1'}}\n", "no image is said for service web"),
        (b"services: {web: {image: 'other:1'}}\n", "other:1"),
        (b"services: {web: {extends: {file: x.yml, service: app}}}\n", "service app of x.yml"),
        (b"services: [", "cannot be read"),
        (b"services:\n  web: {image: a}\npassword: s3cret: x\n", "cannot be read: mapping values are not allowed"),
    ],
)
def test_what_cannot_be_edited_is_found_before_the_container_is_touched(
    bench: ComposedBench, content: bytes, says: str
) -> None:
    bench.run_service()
    bench.file.write_bytes(content)
    told = refused(bench).last_error or ""
    assert says in told and "s3cret" not in told
    assert bench.file.read_bytes() == content


def test_a_file_that_is_not_there_stops_the_update(bench: ComposedBench) -> None:
    bench.run_service()
    bench.file.unlink()
    assert "compose.yml is not there" in (refused(bench).last_error or "")


def test_a_full_disk_is_found_before_the_container_is_touched(
    bench: ComposedBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.run_service()

    def full(path: Path, content: bytes, like: Path | None = None) -> Path:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(write, "_draft", full)
    assert "No space left on device" in (refused(bench).last_error or "")


def test_a_disk_that_fills_up_later_is_told_of_and_leaves_the_file_whole(
    bench: ComposedBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.run_service()
    monkeypatch.setattr(write, "_PAUSE", 0.001)
    real, times = write._draft, iter([True])

    def full(path: Path, content: bytes, like: Path | None = None) -> Path:
        if next(times, False):
            return real(path, content, like)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(write, "_draft", full)
    assert bench.move().phase is Phase.SUCCEEDED
    assert bench.file.read_bytes() == FILE
    ((status, details),) = bench.notes("compose-file")
    assert status == "error" and "No space left" in details


def tidy(bench: ComposedBench) -> None:
    bench.clock.sleep(600)
    command = Command(bench.clock.new_id(), AGENT, CommandKind.TIDY, bench.clock.now())
    bench.commands.submit(command)
    bench.performer.perform(bench.claim(command.id), bench.clock.now())


def moved_beside_its_file(bench: ComposedBench) -> Operation:
    """An update whose file could not be changed after the commit."""
    bench.run_service()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Files, "replace", _full)
        ended = bench.move()
    assert bench.file.read_bytes() == FILE
    return ended


def _full(*about: object, **more: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_change_that_failed_after_the_commit_is_made_when_tidying_and_once(bench: ComposedBench) -> None:
    moved_beside_its_file(bench)
    tidy(bench)
    assert bench.file.read_bytes() == MOVED
    assert [status for status, _ in bench.notes("compose-file")] == ["error", "success"]
    bench.file.write_bytes(FILE)
    tidy(bench)
    assert bench.file.read_bytes() == FILE, "what somebody changed back is theirs"


def test_a_file_that_still_cannot_be_changed_is_told_of_once(bench: ComposedBench) -> None:
    moved_beside_its_file(bench)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Files, "replace", _full)
        tidy(bench)
        tidy(bench)
    assert len(bench.notes("compose-file")) == 1


@pytest.mark.parametrize("since", ["a day", "another container", "another operation"])
def test_a_change_that_failed_is_not_made_when_it_is_no_longer_wanted(bench: ComposedBench, since: str) -> None:
    ended = moved_beside_its_file(bench)
    if since == "a day":
        bench.clock.sleep(24 * 3600)
    elif since == "another container":
        bench.engine.remove(ended.new_container_id or "", force=True)
        bench.run_service()
    else:
        bench.move(trigger="docker.local", target="app:2")
    tidy(bench)
    assert bench.file.read_bytes() == FILE


@pytest.mark.parametrize(
    ("mode", "phase", "rows"), [("warn", Phase.SUCCEEDED, ["info"]), ("off", Phase.SUCCEEDED, []), ("block", None, [])]
)
def test_an_image_from_a_variable_is_a_matter_of_the_mode(
    tmp_path: Path, mode: str, phase: Phase | None, rows: list[str]
) -> None:
    bench = ComposedBench(tmp_path, options={"reconciliationmode": mode})
    bench.run_service()
    bench.file.write_bytes(content := b"services: {web: {image: 'app:${TAG}'}}\n")
    if phase is None:
        assert "the tag comes from a variable" in (refused(bench).last_error or "")
    else:
        assert bench.move().phase is phase
    assert bench.file.read_bytes() == content
    assert [status for status, _ in bench.notes("compose-file")] == rows


@pytest.mark.parametrize("mode", ["warn", "off", "block"])
def test_a_file_that_said_another_version_is_a_matter_of_the_mode(tmp_path: Path, mode: str) -> None:
    bench = ComposedBench(tmp_path, options={"reconciliationmode": mode})
    bench.run_service()
    bench.file.write_bytes(FILE.replace(b"app:1 ", b"app:0.5 "))
    if mode == "block":
        assert "app:0.5" in (refused(bench).last_error or "")
        return
    bench.move()
    assert bench.file.read_bytes() == MOVED
    ((_, details),) = bench.notes("compose-file")
    assert ("while the container ran app:1" in details) == (mode == "warn")


def test_the_last_file_that_says_an_image_is_the_one_that_changes(bench: ComposedBench) -> None:
    override = bench.folder / "override.yml"
    override.write_bytes(FILE)
    third = bench.folder / "third.yml"
    third.write_bytes(b"services: {web: {tty: true}}\n")
    bench.run("web", Labels=labels(bench.file) | {"dd.compose.file": f"{bench.file},{override}, {third}"})
    bench.move()
    assert (bench.file.read_bytes(), override.read_bytes()) == (FILE, MOVED)


def test_included_files_are_followed_below_their_own_folder(bench: ComposedBench) -> None:
    part = bench.folder / "parts" / "web.yml"
    part.parent.mkdir()
    part.write_bytes(FILE)
    bench.file.write_bytes(b"include:\n  - parts/web.yml\n  - {path: [compose.yml]}\n")
    bench.run_service()
    bench.move()
    assert part.read_bytes() == MOVED
    assert included(["../x.yml", "/etc/x.yml", "oci://x", "$X/y.yml"], bench.file) == []


def test_a_trigger_with_a_file_touches_no_other(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    bench = ComposedBench(tmp_path, options={"file": str(elsewhere)})
    bench.run_service()
    assert "which is all this trigger may change" in (refused(bench).last_error or "")
    assert bench.file.read_bytes() == FILE


def test_the_file_of_the_trigger_serves_containers_that_name_none(tmp_path: Path) -> None:
    bench = ComposedBench(tmp_path, options={"file": str(tmp_path)})
    bench.run("web", Labels={"com.docker.compose.service": "web"})
    bench.move()
    assert bench.file.read_bytes() == MOVED


def test_a_label_that_comes_with_the_image_leads_nowhere(bench: ComposedBench) -> None:
    other = bench.folder / "other.yml"
    other.write_bytes(FILE)
    bench.engine.add_image("app:1", {"Labels": {"dd.compose.file": str(other)}})
    bench.engine.offer("app:2", {"Labels": {"dd.compose.file": str(other)}})
    bench.run_service()
    bench.move()
    assert (bench.file.read_bytes(), other.read_bytes()) == (MOVED, FILE)


def test_an_executor_that_died_before_the_file_was_changed_changes_it_in_its_next_life(
    bench: ComposedBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.run_service()
    operation = bench.ask(trigger="dockercompose.main")

    def die(*about: object) -> None:
        raise Unavailable("the store is away as the executor dies")

    with monkeypatch.context() as patched:
        patched.setattr(bench.audit, "add", die)
        with pytest.raises(Unavailable):
            bench.perform(operation, claim := bench.claim(operation.id))
    assert bench.ended(operation).phase is Phase.SUCCEEDED and bench.file.read_bytes() == FILE
    del claim
    bench.perform(operation, bench.claim_again(operation.id, "owner-2"))
    assert bench.file.read_bytes() == MOVED
    bench.clock.sleep(60)
    bench.perform(operation, bench.claim_again(operation.id, "owner-3"))
    assert bench.file.read_bytes() == MOVED
    assert len(bench.notes("compose-file")) == 1


KILLED = """
import os, signal, sys
from pathlib import Path
from local_runtime.executor.compose.write import Files, locked
path, stop = Path(sys.argv[1]), int(sys.argv[2])
calls = 0
def traced(frame, event, arg):
    global calls
    if event == "line" and frame.f_code.co_filename.endswith("compose/write.py"):
        calls += 1
        if calls == stop:
            os.kill(os.getpid(), signal.SIGKILL)
    return traced
with locked(path):
    before = path.read_bytes()
    sys.settrace(traced)
    Files(path.parent / "kept").replace(path, before, before.replace(b"app:1 ", b"app:2 "), backup=False)
    sys.settrace(None)
print("done")
"""


def test_killed_at_any_line_of_the_write_the_file_is_the_old_or_the_new_one(bench: ComposedBench) -> None:
    ends = set()
    for stop in range(1, 200, 5):
        bench.file.write_bytes(FILE)
        done = subprocess.run(
            [sys.executable, "-c", KILLED, str(bench.file), str(stop)],
            capture_output=True,
            timeout=30,
            check=False,
            env={"PYTHONPATH": str(Path(__file__).parents[2])},
        )
        ends.add(found := bench.file.read_bytes())
        assert found in (FILE, MOVED), done.stderr
        if b"done" in done.stdout:
            break
        files = Files(bench.folder / "kept")
        with locked(bench.file):
            files.mend(bench.file)
            files.replace(bench.file, bench.file.read_bytes(), MOVED, backup=False)
        assert not (bench.folder / ".compose.yml.slipway").exists()
    assert ends == {FILE, MOVED}


@pytest.fixture
def unreplaceable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is mounted by itself: nothing can be renamed over it."""

    def busy(self: Path, target: Path) -> Path:
        if target.suffix == ".yml":
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        return self.rename(target)

    monkeypatch.setattr(Path, "replace", busy)
    monkeypatch.setattr(write, "_PAUSE", 0.001)


@pytest.mark.usefixtures("unreplaceable")
def test_a_file_that_is_mounted_by_itself_is_written_in_place(bench: ComposedBench) -> None:
    bench.run_service()
    inode = bench.file.stat().st_ino
    bench.move()
    assert bench.file.read_bytes() == MOVED and bench.file.stat().st_ino == inode
    assert not list((bench.folder / "data" / "compose").iterdir())


@pytest.mark.usefixtures("unreplaceable")
@pytest.mark.parametrize("after", [MOVED, b"services: {}\n", FILE + b"# much longer\n" * 50])
def test_a_write_in_place_that_was_cut_off_is_mended(
    bench: ComposedBench, monkeypatch: pytest.MonkeyPatch, after: bytes
) -> None:
    files = Files(bench.folder / "kept")

    class Cut(BaseException):
        """The process dies here."""

    for cut in range(0, len(after) + 1, 7 if len(after) < 200 else 60):
        bench.file.write_bytes(FILE)

        def tear(path: Path, content: bytes, cut: int = cut) -> None:
            with path.open("r+b") as file:
                file.write(content[:cut])
            raise Cut

        with monkeypatch.context() as patched:
            patched.setattr(write, "_overwrite", tear)
            with pytest.raises(Cut), locked(bench.file):
                files.replace(bench.file, FILE, after, backup=False)
        with locked(bench.file):
            files.mend(bench.file)
        assert bench.file.read_bytes() == after


@pytest.mark.usefixtures("unreplaceable")
def test_what_somebody_wrote_after_a_cut_off_write_is_theirs(
    bench: ComposedBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = Files(bench.folder / "kept")

    def fail(path: Path, content: bytes) -> None:
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(write, "_overwrite", fail)
        with pytest.raises(SystemExit), locked(bench.file):
            files.replace(bench.file, FILE, MOVED, backup=False)
    bench.file.write_bytes(b"mine: true\n")
    with locked(bench.file):
        files.mend(bench.file)
    assert bench.file.read_bytes() == b"mine: true\n" and not list((bench.folder / "kept").iterdir())


def test_two_who_change_one_folder_do_so_one_after_the_other(bench: ComposedBench) -> None:
    inside, most, guard = 0, 0, threading.Lock()

    def change() -> None:
        nonlocal inside, most
        with locked(bench.file):
            with guard:
                inside += 1
                most = max(most, inside)
            threading.Event().wait(0.01)
            with guard:
                inside -= 1

    threads = [threading.Thread(target=change) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert most == 1


def test_another_program_that_holds_the_folder_is_waited_for_and_not_for_ever(
    bench: ComposedBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write, "_LOCK_SECONDS", 0.2)
    holder = (
        f"import fcntl, os, sys; fcntl.flock(os.open({str(bench.folder)!r}, os.O_RDONLY), fcntl.LOCK_EX); "
        "print(1, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", holder], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout and process.stdin
        process.stdout.readline()
        with pytest.raises(NotEditable, match="another program holds"), locked(bench.file):
            pass
        process.stdin.close()
        process.wait(10)
    with locked(bench.file):
        pass


def test_paths_of_the_host_are_seen_through_our_own_mounts() -> None:
    inspect = {
        "Mounts": [
            {"Type": "bind", "Source": "/srv", "Destination": "/stacks"},
            {"Type": "bind", "Source": "/srv/shop", "Destination": "/shop"},
            {"Type": "bind", "Source": "/home/x/one.yml", "Destination": "/one.yml"},
            {"Type": "volume", "Source": "/var/lib/docker/volumes/v/_data", "Destination": "/data"},
        ]
    }
    mounts = mounts_of(inspect)
    assert mounts[-1] == Mount(PurePosixPath("/srv"), PurePosixPath("/stacks"))
    assert seen_from_here("/srv/a/compose.yml", mounts) == Path("/stacks/a/compose.yml")
    assert seen_from_here("/srv/shop/compose.yml", mounts) == Path("/shop/compose.yml")
    assert seen_from_here("/home/x/one.yml", mounts) == Path("/one.yml")
    assert seen_from_here("/opt/c.yml", None) == Path("/opt/c.yml")
    for path in ("/opt/c.yml", "/srv/../etc/c.yml", "compose.yml", "/srvx/c.yml"):
        with pytest.raises(NotEditable):
            seen_from_here(path, mounts)


def test_only_plain_trusted_compose_files_are_read(tmp_path: Path) -> None:
    odd = tmp_path / "odd.yml"
    for make in (odd.mkdir, lambda: os.mkfifo(odd), lambda: odd.symlink_to("/etc/passwd"), lambda: odd.symlink_to(odd)):
        make()
        with pytest.raises(NotEditable):
            regular_file(odd)
        odd.rmdir() if odd.is_dir() else odd.unlink()
    open_to_all = tmp_path / "open.yml"
    open_to_all.write_bytes(FILE)
    open_to_all.chmod(0o666)
    with pytest.raises(NotEditable, match="written by everybody"):
        regular_file(open_to_all)


def test_a_directory_means_what_compose_would_take_there(tmp_path: Path) -> None:
    with pytest.raises(NotEditable):
        configured_file(str(tmp_path))
    for name in ("docker-compose.yml", "docker-compose.yaml", "compose.yml", "compose.yaml"):
        (tmp_path / name).write_bytes(FILE)
        assert configured_file(str(tmp_path)) == tmp_path / name
    assert within(tmp_path / "a" / "c.yml", str(tmp_path)) and not within(tmp_path, str(tmp_path / "a"))


def test_a_preview_tells_the_changed_line_and_writes_nothing(bench: ComposedBench) -> None:
    bench.run_service()
    source = bench.engine.inspect("web")
    operation = bench.ask(trigger="dockercompose.main")
    host = bench.host(bench.claim(operation.id))
    told = foretell(host, operation, source)
    assert told is not None
    path = str(bench.file)
    assert (told["files"], told["paths"], told["service"]) == ([path], [path], "web")
    assert told["mutation"] == {"intent": "update-compose-service-image", "dryRun": False, "willWrite": True}
    assert told["patch"]["path"] == path
    lines = told["patch"]["diff"].splitlines()
    assert lines[3:] == ["-    image: app:1   # runs", "+    image: app:2   # runs"]
    assert bench.file.read_bytes() == FILE
    bench.file.unlink()
    problem = foretell(host, operation, source)
    assert problem is not None and "is not there" in problem["problem"] and "patch" not in problem
    assert foretell(host, replace(operation, trigger="docker.local"), source) is None


def test_a_preview_keeps_to_itself_what_else_a_line_says(bench: ComposedBench) -> None:
    bench.file.write_bytes(b"services: {web: {environment: {KEY: s3cret}, image: 'app:1'}}\n")
    bench.run_service()
    operation = bench.ask(trigger="dockercompose.main")
    told = foretell(bench.host(bench.claim(operation.id)), operation, bench.engine.inspect("web"))
    assert told is not None
    assert told["patch"]["diff"].splitlines()[3:] == ["-… app:1 …", "+… app:2 …"]


def test_one_project_is_changed_by_one_at_a_time(bench: ComposedBench) -> None:
    bench.run_service("web")
    bench.run_service("job")
    web, job = (Identity("local", "local", name) for name in ("web", "job"))
    reached = threading.Event()

    def change(trigger: str) -> None:
        with bench.busy.hold_project(job, trigger, bench.containers.get):
            reached.set()

    with bench.busy.hold_project(web, "dockercompose.main", bench.containers.get):
        waiting = threading.Thread(target=change, args=("dockercompose.main",))
        waiting.start()
        assert not reached.wait(0.1)
        change("docker.local")
        assert reached.is_set()
        reached.clear()
    waiting.join(10)
    assert reached.is_set()
