"""The lines a person sees in the terminal: nothing that others wrote steers it, nor passes for a line of ours."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from local_runtime.__main__ import demo_note
from local_runtime.panel import Screen
from local_runtime.programs import ROOT


def _shown(capsys: pytest.CaptureFixture[str], line: str) -> str:
    Screen(Path("/data")).show("server", line)
    return capsys.readouterr().out


def _logged(message: str, **more: object) -> str:
    return json.dumps({"level": "INFO", "timestamp": "2026-11-24T03:04:05.678Z", "message": message, **more})


def test_a_line_of_the_log_is_its_time_and_its_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert _shown(capsys, _logged("Größe of [web] is 5")) == "  server │ 03:04:05 Größe of [web] is 5\n"


@pytest.mark.parametrize("nasty", ["\x1b]0;owned\x07", "\x1b[2J", "\x9b31m", "\r", "\x08", "\u202e", "\n", "\u2028"])
def test_what_a_log_quotes_can_neither_steer_the_terminal_nor_begin_a_line(
    nasty: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = _shown(capsys, _logged(f"web{nasty}executor"))
    assert shown.count("\n") == 1
    assert not {one for one in shown[:-1] if not one.isprintable()}
    assert shown.endswith("executor\n")


def test_lines_that_are_no_json_are_tamed_alike(capsys: pytest.CaptureFixture[str]) -> None:
    shown = _shown(capsys, "\x1b[31mTrace\x1b[0m \x1b]0;owned\x07back\x1b[2J")
    assert "Trace" in shown
    assert "\x1b" not in shown and "\x07" not in shown


def test_a_stack_trace_keeps_its_lines_beneath_the_name_of_its_program(capsys: pytest.CaptureFixture[str]) -> None:
    shown = _shown(capsys, _logged("failed", exception="Traceback\n  x\x1b[2J\nValueError: a"))
    assert shown.splitlines() == [
        "  server │ 03:04:05 failed",
        "         │   Traceback",
        "         │     x\\x1b[2J",
        "         │   ValueError: a",
    ]


def test_the_panel_says_how_the_demo_goes_away_wherever_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    open_to_all = {"DD_ANONYMOUS_AUTH_CONFIRM": "true"}
    assert demo_note(open_to_all, ROOT / ".slipway") == "no password; remove it with  script/demo --down"
    note = demo_note({}, Path("/srv/my data"))
    assert note == "remove it with  script/demo --down --data '/srv/my data'"
    Screen(Path("/srv/my data"), note).announce("http://127.0.0.1:3000", None)
    assert note in capsys.readouterr().out
