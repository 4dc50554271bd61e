"""Hooks: single commands around an update, run without a shell, bounded in time and output, and written down."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from chalicelib.config import load
from chalicelib.domain.errors import Failed, Invalid
from chalicelib.domain.hook import HookRules, Hooks, command_line, hooks_of, masked
from chalicelib.domain.operation import Phase
from local_runtime.executor.updating.hooks import run_bounded
from tests.builders.composed import ComposedBench

ALLOWED = HookRules(True)
ENV = {"PATH": "/usr/bin:/bin"}


@pytest.fixture
def bench(tmp_path: Path) -> ComposedBench:
    return ComposedBench(tmp_path, hooks=ALLOWED)


def test_hooks_are_off_unless_settings_say_so() -> None:
    assert load({}).hooks == HookRules(False)
    rules = load({"DD_HOOKS_ENABLED": "true", "DD_HOOKS_ALLOWED_COMMANDS": "pg_dump, /opt/backup ,"}).hooks
    assert rules == HookRules(True, frozenset({"pg_dump", "/opt/backup"}))


def test_labels_say_what_is_run_with_the_older_names_as_fallback() -> None:
    assert hooks_of({}, {}) == Hooks() and not hooks_of({}, {})
    labels = {"dd.hook.pre": "a", "wud.hook.post": "b", "dd.hook.pre.abort": "false", "dd.hook.timeout": "1500"}
    assert hooks_of(labels, {}) == Hooks("a", "b", False, 1.5)
    assert hooks_of({"dd.hook.pre": "a", "dd.hook.timeout": "soon"}, {}).seconds == 60
    assert hooks_of({"dd.hook.pre": "a", "dd.hook.timeout": "999999999"}, {}).seconds == 3600


def test_what_an_image_says_is_not_its_operators_word() -> None:
    said = {"dd.hook.pre": "evil", "dd.hook.post": "evil"}
    assert not hooks_of(said, said)
    assert hooks_of(said | {"dd.hook.post": "mine"}, said) == Hooks(after="mine")


@pytest.mark.parametrize("tail", ["; b", "& b", "| b", "< b", "> b", "`b`", "$(b)", "\nb", "\rb", "&& b", "\0"])
def test_a_hook_is_a_single_command(tail: str) -> None:
    with pytest.raises(Invalid, match="single command"):
        command_line(f"a {tail}", ALLOWED, {})


@pytest.mark.parametrize("command", ["", "   ", "a 'open"])
def test_a_hook_that_is_no_command_is_refused(command: str) -> None:
    with pytest.raises(Invalid):
        command_line(command, ALLOWED, {})


def test_only_listed_programs_run() -> None:
    rules = HookRules(True, frozenset({"curl"}))
    assert command_line("curl -s x", rules, {}) == ["curl", "-s", "x"]
    for command in ("/tmp/curl x", "curlx", "sh -c curl", "'' curl", "$DD_CONTAINER_NAME"):
        with pytest.raises(Invalid, match="not listed"):
            command_line(command, rules, {"DD_CONTAINER_NAME": "curl"})


def test_variables_are_put_in_after_splitting_and_never_as_the_program() -> None:
    variables = {"DD_CONTAINER_NAME": "a b; c", "DD_UPDATE_TO": "2"}
    command = "run $DD_CONTAINER_NAME x=${DD_UPDATE_TO}! $HOME $DD_UNKNOWN_"
    assert command_line(command, ALLOWED, variables) == ["run", "a b; c", "x=2!", "$HOME", ""]
    assert command_line("$DD_UPDATE_TO", ALLOWED, variables) == ["$DD_UPDATE_TO"]


def test_output_is_shown_without_secrets() -> None:
    output = b"PASSWORD=hunter2 api_token: 'abc' http://u:p@h/x Bearer abcdefgh12 hunter3 name=web\n"
    shown = masked(output, {"hunter3", "abc"})
    assert shown == "PASSWORD=*** api_token: *** http://***@h/x Bearer *** *** name=web"
    assert masked(b"a" * 20_000) == "a" * 10_240


def test_a_hook_is_told_of_the_update_and_of_nothing_else(
    bench: ComposedBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "ours")
    old = bench.run(Labels={"dd.hook.pre": "env", "dd.hook.post": "env"})
    ended = bench.move(trigger="docker.local")
    ((_, before),) = bench.notes("hook-pre-success")
    assert set(before.splitlines()) == {
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "DD_CONTAINER_NAME=web",
        f"DD_CONTAINER_ID={old}",
        "DD_IMAGE_NAME=app",
        "DD_IMAGE_TAG=1",
        "DD_UPDATE_KIND=tag",
        "DD_UPDATE_FROM=1",
        "DD_UPDATE_TO=2",
    }
    ((_, after),) = bench.notes("hook-post-success")
    assert f"DD_CONTAINER_ID={ended.new_container_id}" in after and "DD_IMAGE_TAG=2" in after
    assert [status for status, _ in bench.notes("hook-configured")] == ["info"]


def test_a_hook_that_fails_before_leaves_the_container_untouched(bench: ComposedBench) -> None:
    bench.run(Labels={"dd.hook.pre": "false", "dd.hook.post": "true"})
    bench.engine.calls.clear()
    operation = bench.ask()
    with pytest.raises(Failed, match="its hook before updates failed: it ended with 1"):
        bench.perform(operation)
    assert bench.ended(operation).phase is Phase.FAILED
    assert not {"rename", "create", "stop", "remove"} & {name for name, _ in bench.engine.calls}
    assert [status for status, _ in bench.notes("hook-pre-failed")] == ["error"]
    assert not bench.notes("hook-post-success", "hook-post-failed")
    assert not bench.backups.of(operation.identity)


def test_a_failure_before_may_be_tolerated(bench: ComposedBench) -> None:
    bench.run(Labels={"dd.hook.pre": "false", "dd.hook.pre.abort": "false"})
    assert bench.move(trigger="docker.local").phase is Phase.SUCCEEDED
    assert bench.notes("hook-pre-failed")


def test_a_failure_after_is_only_written_down(bench: ComposedBench) -> None:
    bench.run(Labels={"dd.hook.post": "ls /nowhere-at-all"})
    assert bench.move(trigger="docker.local").phase is Phase.SUCCEEDED
    ((status, details),) = bench.notes("hook-post-failed")
    assert status == "error" and "it ended with" in details and "nowhere-at-all" in details


@pytest.mark.parametrize("command", ["true; true", "no-such-program-here", "/etc/passwd"])
def test_a_hook_that_cannot_run_has_failed(bench: ComposedBench, command: str) -> None:
    bench.run(Labels={"dd.hook.pre": command})
    with pytest.raises(Failed):
        bench.perform(bench.ask())
    assert bench.notes("hook-pre-failed")


def test_nothing_runs_while_hooks_are_off(tmp_path: Path) -> None:
    bench = ComposedBench(tmp_path)
    bench.run(Labels={"dd.hook.pre": "false", "dd.hook.post": "false"})
    assert bench.move(trigger="docker.local").phase is Phase.SUCCEEDED
    assert not [one for one in bench.audit.entries if one.action.startswith("hook")]


def test_labels_of_images_run_nothing(bench: ComposedBench) -> None:
    evil = {"dd.hook.pre": "false", "dd.hook.post": "touch /tmp/evil"}
    bench.engine.add_image("app:1", {"Labels": evil})
    bench.engine.offer("app:2", {"Labels": evil | {"dd.hook.post": "touch /tmp/evil2"}})
    bench.run()
    assert bench.move(trigger="docker.local").phase is Phase.SUCCEEDED
    assert not [one for one in bench.audit.entries if one.action.startswith("hook")]


def test_a_failed_update_runs_no_hook_afterwards(bench: ComposedBench) -> None:
    bench.run(Labels={"dd.hook.post": "true"})
    bench.engine.offer("app:2", {}, exits=3)
    with pytest.raises(Failed):
        bench.perform(bench.ask())
    assert not bench.notes("hook-post-success", "hook-post-failed")


def test_a_hook_that_takes_too_long_ends_with_all_it_started(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    script = tmp_path / "slow"
    script.write_text(f"#!/bin/sh\necho begun\nsleep 60 &\necho $! > {pid}\nwait\n")
    script.chmod(0o755)
    started = time.monotonic()
    ended = run_bounded([str(script)], ENV, 0.5)
    assert time.monotonic() - started < 5
    assert (ended.code, ended.output, ended.problem) == (None, b"begun\n", "it was stopped after 0.5 seconds")
    child = int(pid.read_text())
    until = time.monotonic() + 5
    while _lives(child) and time.monotonic() < until:
        time.sleep(0.01)
    assert not _lives(child)


def test_what_a_hook_leaves_running_ends_with_it(tmp_path: Path) -> None:
    script = tmp_path / "leaver"
    script.write_text("#!/bin/sh\nsleep 60 &\necho $!\n")
    script.chmod(0o755)
    started = time.monotonic()
    ended = run_bounded([str(script)], ENV, 20)
    assert ended.code == 0 and time.monotonic() - started < 5
    until = time.monotonic() + 5
    while _lives(int(ended.output)) and time.monotonic() < until:
        time.sleep(0.01)
    assert not _lives(int(ended.output))


def test_a_loud_hook_is_heard_to_the_limit_and_runs_to_its_end() -> None:
    ended = run_bounded(["head", "-c", "3000000", "/dev/zero"], ENV, 20)
    assert (ended.code, len(ended.output)) == (0, 10_240)


def test_a_hook_that_closes_its_output_is_waited_for(tmp_path: Path) -> None:
    script = tmp_path / "silent"
    script.write_text("#!/bin/sh\nexec >/dev/null 2>&1\nsleep 0.3\nexit 7\n")
    script.chmod(0o755)
    assert run_bounded([str(script)], ENV, 20).code == 7


def _lives(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not buried yet does not."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
