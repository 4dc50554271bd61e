"""Background programs: found again by pid and start time, and only the very one that was started is ever ended."""

import subprocess
from pathlib import Path

from local_runtime.host.daemon import Daemon


def test_a_started_program_is_found_again_by_another_object(tmp_path: Path) -> None:
    first = Daemon("sleeper", tmp_path)
    first.start(["sleep", "60"])
    try:
        assert Daemon("sleeper", tmp_path).pid() == first.pid() is not None
    finally:
        first.stop(seconds=5)
    assert not Daemon("sleeper", tmp_path).running()


def test_a_program_that_ended_does_not_run(tmp_path: Path) -> None:
    daemon = Daemon("short", tmp_path)
    daemon.start(["sh", "-c", "echo gone; exit 1"])
    daemon._process.wait(10)  # type: ignore[union-attr]
    assert not daemon.running()
    assert daemon.last_words(1) == "gone"


def test_a_pid_that_somebody_else_has_now_is_left_alone(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as other:
        try:
            (tmp_path / "sleeper.pid").write_text(f"{other.pid} 12345\n")
            daemon = Daemon("sleeper", tmp_path)
            assert not daemon.running()
            daemon.stop(seconds=1)
            assert other.poll() is None
        finally:
            other.kill()


def test_a_program_that_ignores_the_signal_is_killed_and_gone_when_stop_returns(tmp_path: Path) -> None:
    daemon = Daemon("stubborn", tmp_path)
    daemon.start(["sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.1; done"])
    while "up" not in daemon.last_words(1):
        assert daemon.running()
    daemon.stop(seconds=0.3)
    assert daemon._process.poll() is not None  # type: ignore[union-attr]
    assert not daemon.running()


def test_a_broken_pid_file_means_not_running(tmp_path: Path) -> None:
    (tmp_path / "sleeper.pid").write_text("nonsense")
    assert not Daemon("sleeper", tmp_path).running()
