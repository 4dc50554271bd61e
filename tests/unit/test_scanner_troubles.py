"""Whatever goes wrong with a program, it is an error of the right kind, soon, and nothing passes for a good result."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from chalicelib.domain.container import Platform
from chalicelib.domain.security import SPDX
from chalicelib.ports.scanner import ScannerError, Subject
from chalicelib.settings_security import SecuritySettings, ToolSettings
from chalicelib.usecases.assess_image import Instruments
from local_runtime.executor.scanners import call as calls
from local_runtime.executor.scanners.call import ToolFailed, errors_of, shown
from local_runtime.executor.scanners.document import NoReport
from local_runtime.executor.scanners.process import ToolKilled, ToolTooLoud, ToolTooSlow
from local_runtime.executor.scanners.toolbox import instruments
from tests.builders.tools import NAMES, StandIns, document
from tests.fakes.services import StillClock

DIGEST = "sha256:" + "4" * 64
SUBJECT = Subject(f"registry.test/web@{DIGEST}", "registry.test/web:1", DIGEST, Platform("amd64", "linux"))
USES: dict[str, Callable[[Instruments], object]] = {
    "trivy": lambda found: found.scanner and found.scanner.scan(SUBJECT),
    "grype": lambda found: found.scanner and found.scanner.scan(SUBJECT),
    "syft": lambda found: found.sbom_maker and found.sbom_maker.make(SUBJECT, SPDX),
    "cosign": lambda found: found.verifier and found.verifier.verify(SUBJECT),
}


class Trial:
    """One program that does something; `use` has it asked as an executor would."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self.clock = StillClock()
        self.tools = StandIns(folder / "bin")
        self._folder = folder
        self.at_most(100.0)

    def at_most(self, seconds: float) -> None:
        """How long the program may take."""
        settings = SecuritySettings(
            scanner="trivy" if self.name == "trivy" else "grype",
            verify_signatures=True,
            tool_environment={"PATH": "/usr/bin:/bin"},
            **{self.name: ToolSettings((self.tools.path(self.name),), seconds)},  # type: ignore[arg-type]
        )
        self.found = instruments(settings, self._folder, self.clock, None)

    def use(self) -> object:
        """Raises ScannerError."""
        return USES[self.name](self.found)


@pytest.fixture(params=NAMES)
def trial(request: pytest.FixtureRequest, tmp_path: Path) -> Trial:
    return Trial(tmp_path, request.param)


def test_a_program_that_hangs_is_stopped(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "GRACE_SECONDS", 0.1)
    trial.tools.play(trial.name, {"does": "hang"})
    trial.at_most(0.2)
    with pytest.raises(ToolTooSlow, match=f"{trial.name} was stopped after 0.3"):
        trial.use()


def test_a_program_killed_for_want_of_memory_is_told_so(trial: Trial) -> None:
    trial.tools.play(trial.name, {"does": "die"})
    with pytest.raises(ToolKilled, match=f"{trial.name} was killed by signal 9; it may lack memory"):
        trial.use()


def test_a_program_that_never_stops_writing_is_stopped(trial: Trial) -> None:
    trial.tools.play(trial.name, {"does": "flood"})
    with pytest.raises(ToolTooLoud, match="wrote more than"):
        trial.use()


def test_garbage_is_an_error_even_when_the_program_says_it_is_well(trial: Trial) -> None:
    trial.tools.play(trial.name, {"does": "babble"})
    with pytest.raises(NoReport):
        trial.use()


def test_a_program_that_says_nothing_has_found_nothing_out(trial: Trial) -> None:
    trial.tools.play(trial.name, {})
    if trial.name == "cosign":
        # Without one word of a signature there is none.
        assert getattr(trial.use(), "signatures", None) == 0
    else:
        with pytest.raises(NoReport, match="wrote no JSON but: nothing"):
            trial.use()


def test_a_report_of_another_program_is_none(trial: Trial) -> None:
    other = {"trivy": "grype-0.121.json", "syft": "syft-1.57-cyclonedx.json"}.get(trial.name, "trivy-0.57.json")
    trial.tools.play(trial.name, {"output": other})
    with pytest.raises(NoReport):
        trial.use()


def test_an_exit_code_counts_more_than_a_report(trial: Trial) -> None:
    whole = {"trivy": "trivy-clean.json", "grype": "grype-0.121-clean.json", "syft": "syft-1.57-spdx.json"}
    trial.tools.play(trial.name, {"output": whole.get(trial.name, "cosign-2.6-key.json"), "code": 7, "error": "half"})
    with pytest.raises(ToolFailed, match=f"{trial.name} ended with code 7: half"):
        trial.use()


@pytest.mark.parametrize(
    ("name", "complaint", "words"),
    [
        ("grype", "grype-0.121-not-found.txt", "MANIFEST_UNKNOWN: manifest unknown"),
        ("grype", "grype-0.121-unauthorized.txt", "UNAUTHORIZED: authentication required"),
        ("syft", "syft-1.57-not-found.txt", "MANIFEST_UNKNOWN: manifest unknown"),
        ("cosign", "cosign-2.6-unauthorized.txt", "UNAUTHORIZED: authentication required"),
        ("cosign", "cosign-2.6-no-key.txt", "loading public key: open nokey.pub: no such file or directory"),
        ("cosign", "cosign-2.6-missing-tag.txt", "image tag not found"),
    ],
)
def test_what_a_real_program_said_is_passed_on_and_does_not_keep_it_from_the_next_image(
    name: str, complaint: str, words: str, tmp_path: Path
) -> None:
    trial = Trial(tmp_path, name)
    trial.tools.play(name, {"code": 1, "complaint": complaint})
    for _ in range(2):
        with pytest.raises(ToolFailed, match=words):
            trial.use()
    assert len(trial.tools.calls(name)) == 2


@pytest.mark.parametrize("complaint", ["grype-0.121-no-database.txt", "grype-0.121-stale-database.txt"])
def test_grype_without_a_fit_database_is_left_alone_for_a_quarter_of_an_hour(complaint: str, tmp_path: Path) -> None:
    trial = Trial(tmp_path, "grype")
    trial.tools.play("grype", {"code": 1, "complaint": complaint})
    for _ in range(3):
        with pytest.raises(ToolFailed, match=r"failed to load vulnerability db: .*database"):
            trial.use()
    assert len(trial.tools.calls("grype")) == 1
    trial.clock.at += timedelta(minutes=16)
    trial.tools.play("grype", {"output": "grype-0.121-clean.json"})
    assert trial.use() == []


def test_grype_that_cannot_renew_its_database_scans_with_the_one_it_has(tmp_path: Path) -> None:
    trial = Trial(tmp_path, "grype")
    trial.tools.play(
        "grype",
        {"when": "db update", "code": 1, "complaint": "grype-0.121-db-update.txt"},
        {"output": "grype-0.121-clean.json"},
    )
    scanner = trial.found.scanner
    assert scanner is not None
    with pytest.raises(ScannerError, match=r"unable to update vulnerability database: .*no such host"):
        scanner.warm()
    assert trial.use() == []


def test_grype_without_a_database_tells_no_date(tmp_path: Path) -> None:
    trial = Trial(tmp_path, "grype")
    trial.tools.play("grype", {"when": "db status", "output": "grype-0.121-db-status-none.json", "code": 1})
    assert trial.found.scanner is not None and trial.found.scanner.database() == ""


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("2026-11-24T01:02:03Z\tINFO\t[vuln] scanning\n2026-11-24T01:02:03Z\tFATAL\tinit error", "FATAL\tinit error"),
        ("[0000]  WARN no database update\n[0000] ERROR one\n  - of two", "ERROR one\n  - of two"),
        ("WARNING: beware\nError: bad\nerror during command execution: bad", "Error: bad"),
        ("Error: bad\nmain.go:69: error during command execution: bad", "Error: bad"),
        ("[0000]  WARN nothing else", "[0000]  WARN nothing else"),
        ("INFORMATION is no level", "INFORMATION is no level"),
        ("", ""),
    ],
)
def test_warnings_and_notes_are_no_errors(said: str, meant: str) -> None:
    assert errors_of(said).endswith(meant)
    assert "WARN" not in errors_of(said) or said == meant


def test_of_a_long_complaint_the_beginning_and_the_end_are_shown() -> None:
    found = shown("Error: cannot\n" + "x " * 5000 + "because of this")
    assert found.startswith("Error: cannot x x") and found.endswith("because of this")
    assert len(found) == 400
    assert shown(" \n") == "it said nothing"
    assert shown(document("grype-0.121-no-database.txt").decode()) == (
        "[0001] ERROR failed to load vulnerability db: database does not exist"
    )
