"""What compose runs in a service's container once it has started, the executor runs in its successor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chalicelib.domain.compose import LeftAlone, NotEditable
from chalicelib.domain.operation import Operation, Phase
from chalicelib.domain.post_start import Execution, post_start
from local_runtime.executor.compose.edit import ComposeFile
from tests.builders.composed import ComposedBench

ACTION = "compose-post-start"


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"command": 'chown -R "a b" /data'}, Execution(("chown", "-R", "a b", "/data"))),
        ({"command": ["sh", "-c", "echo $$HOME"]}, Execution(("sh", "-c", "echo $HOME"))),
        (
            {"command": "run", "user": "1000:1000", "working_dir": "/srv", "privileged": "True"},
            Execution(("run",), "1000:1000", "/srv", (), True),
        ),
        ({"command": "run", "environment": ["A=1=2", "B="]}, Execution(("run",), environment=("A=1=2", "B="))),
        ({"command": "run", "environment": {"A": "1", "B": ""}}, Execution(("run",), environment=("A=1", "B="))),
    ],
)
def test_an_entry_is_read_as_compose_reads_it(entry: Any, expected: Execution) -> None:
    assert post_start(entry) == expected


@pytest.mark.parametrize(
    "entry",
    [
        "run",
        {"user": "root"},
        {"command": []},
        {"command": 'never "closed'},
        {"command": {"a": "b"}},
        {"command": [["a"]]},
        {"command": "run", "privileged": "perhaps"},
    ],
)
def test_what_is_no_entry_is_refused(entry: Any) -> None:
    with pytest.raises(NotEditable):
        post_start(entry)


@pytest.mark.parametrize(
    "entry",
    [
        {"command": "run $THIS"},
        {"command": ["run", "a${THIS:-b}"]},
        {"command": "run", "user": "$$$UID"},
        {"command": "run", "environment": ["FROM_THE_SHELL"]},
        {"command": "run", "environment": {"FROM_THE_SHELL": None}},
    ],
)
def test_variables_are_known_to_compose_alone(entry: Any) -> None:
    with pytest.raises(LeftAlone):
        post_start(entry)


def test_entries_of_all_descriptions_are_read_in_order_merged_ones_too() -> None:
    file = ComposeFile(
        b"x: &who {user: root, command: other}\n"
        b"services:\n  web:\n    post_start:\n      - command: [one, '2']\n        environment: {A: 1, B: }\n"
        b"      - <<: *who\n        command: two\n"
        b"---\nservices: {web: {post_start: [{command: three}]}}\n"
    )
    assert file.post_start("web") == [
        {"command": ["one", "2"], "environment": {"A": "1", "B": None}},
        {"user": "root", "command": "two"},
        {"command": "three"},
    ]
    assert file.post_start("db") == []


def test_entries_that_multiply_are_not_followed() -> None:
    lines = [b"a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [b"a%d: &a%d [%s]" % (n, n, b", ".join([b"*a%d" % (n - 1)] * 9)) for n in range(1, 8)]
    file = ComposeFile(b"\n".join([*lines, b"services: {web: {post_start: [{command: *a7}]}}", b""]))
    with pytest.raises(NotEditable):
        file.post_start("web")


def served(folder: Path, entries: str, **options: str) -> ComposedBench:
    bench = ComposedBench(folder, options=options)
    bench.file.write_text(f"services:\n  web:\n    image: app:1\n    post_start: {entries}\n")
    bench.run_service(**{"app.label": "mine"})
    return bench


def moved(bench: ComposedBench, **facts: Any) -> Operation:
    try:
        return bench.move(**facts)
    except Exception:
        (ended,) = bench.operations.history(next(iter(bench.containers.of_watcher("local", "local"))).identity)
        return ended


def test_they_run_in_the_new_container_one_after_the_other(tmp_path: Path) -> None:
    bench = served(tmp_path, "[{command: echo one, user: root}, {command: 'true'}]")
    assert moved(bench).phase is Phase.SUCCEEDED
    assert bench.engine.executed == [Execution(("echo", "one"), "root"), Execution(("true",))]
    new = bench.engine.inspect("web")["Id"]
    assert [one for call, one in bench.engine.calls if call == "execute"] == [new, new]
    assert bench.notes(ACTION) == [("success", "post_start: 2 run")]


def test_one_that_fails_brings_the_old_container_back(tmp_path: Path) -> None:
    bench = served(tmp_path, "[{command: 'false'}, {command: 'true'}]")
    before = bench.file.read_bytes()
    ended = moved(bench)
    assert (ended.phase, ended.reason_code) == (Phase.ROLLED_BACK, "start_new_failed")
    assert ended.last_error == "its post_start command 1 failed: it ended with 1"
    assert bench.engine.executed == [Execution(("false",))]
    assert (bench.names(), bench.file.read_bytes()) == ({"web": "running"}, before)


def test_one_that_does_not_end_is_a_failure(tmp_path: Path) -> None:
    bench = served(tmp_path, "[{command: sleep 3600}]")
    ended = moved(bench)
    assert ended.phase is Phase.ROLLED_BACK
    assert "did not end within 30 seconds" in (ended.last_error or "")


def test_output_is_told_without_secrets(tmp_path: Path) -> None:
    bench = served(tmp_path, "[{command: no-such-program, environment: {API_TOKEN: s3cret}}]")
    bench.engine.answers["no-such-program"] = (0, 3, b"not let in with s3cret\n")
    assert moved(bench).last_error == "its post_start command 1 failed: it ended with 3: not let in with ***"


@pytest.mark.parametrize(
    ("mode", "phase", "notes"), [("warn", Phase.SUCCEEDED, 1), ("off", Phase.SUCCEEDED, 0), ("block", Phase.FAILED, 0)]
)
def test_a_variable_in_one_is_a_matter_of_the_mode(tmp_path: Path, mode: str, phase: Phase, notes: int) -> None:
    bench = served(tmp_path, "[{command: echo $WHERE}]", reconciliationmode=mode)
    ended = moved(bench)
    assert (ended.phase, len(bench.notes(ACTION)), bench.engine.executed) == (phase, notes, [])


def test_one_that_makes_no_sense_is_found_before_the_container_is_touched(tmp_path: Path) -> None:
    bench = served(tmp_path, "[just words]")
    ended = moved(bench)
    assert (ended.phase, ended.reached) == (Phase.FAILED, Phase.PREPARE)


def test_other_triggers_run_none(tmp_path: Path) -> None:
    bench = served(tmp_path, "[{command: 'true'}]")
    assert moved(bench, trigger="docker.local").phase is Phase.SUCCEEDED
    assert bench.engine.executed == []
