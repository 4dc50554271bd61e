"""Owns how tests are shared out between workers, and that a failure is told when it happens.

Those that start Docker Engines go to one worker, the others file by file to any.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).resolve().parents[1]
ENGINES = "tests that start engines"


@cache
def _place(file: str) -> str:
    """Where a file's tests go together. A starting dockerd rewrites packet filter rules that all engines share."""
    return ENGINES if "docker_engine" in (ROOT / file).read_text() or file.startswith("tests/docker/") else file


class ByFile(LoadScopeScheduling):
    """Gives a worker whole files, and one worker all that start engines."""

    def _split_scope(self, nodeid: str) -> str:
        return _place(nodeid.partition("::")[0])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> ByFile:
    return ByFile(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The longest part comes first, where several workers share the rest."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: _place(item.nodeid.partition("::")[0]) != ENGINES)


class Failures:
    """Tells of each failure at once: a run of twenty minutes may be broken off before its summary."""

    def __init__(self, terminal: pytest.TerminalReporter) -> None:
        self._terminal = terminal

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._terminal.write_line(f"\n{report.nodeid}: failed in its {report.when} after {report.duration:.0f} s")
            self._terminal.write_line(report.longreprtext)


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("numprocesses", None) and (terminal := config.pluginmanager.get_plugin("terminalreporter")):
        config.pluginmanager.register(Failures(terminal))
