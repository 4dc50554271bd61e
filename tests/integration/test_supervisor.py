"""The supervisor over real processes that speak its contract: start, restart, stop, and what it refuses."""

import os
import signal
import socket
import stat
from pathlib import Path

import pytest

from tests.integration.stand_ins.running import Supervised, alive, wait_for


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def test_the_store_is_up_before_the_others_and_they_are_pointed_to_it(data: Path) -> None:
    with Supervised(data).until_ready() as slipway:
        assert slipway.moments("store")[0] < min(slipway.moments("server") + slipway.moments("executor"))
        (url,) = slipway.store_urls("server")
        assert slipway.store_urls("executor") == [url]
        port = int(url.removeprefix("http://127.0.0.1:"))
        socket.create_connection(("127.0.0.1", port), timeout=5).close()


def test_the_panel_names_the_url_and_the_first_password(data: Path) -> None:
    with Supervised(data).until_ready() as slipway:
        assert f"http://127.0.0.1:{slipway.port}" in slipway.told()
        assert "open-sesame" in slipway.told()


def test_the_password_is_shown_once_and_not_at_the_next_start(data: Path) -> None:
    with Supervised(data).until_ready() as slipway:
        slipway.end()
        assert slipway.told().count("open-sesame") == 1
    slipway.output.write_text("")
    with Supervised(data).until_ready() as again:
        assert "open-sesame" not in again.told()


def test_the_data_directory_is_private(data: Path) -> None:
    with Supervised(data).until_ready():
        assert stat.S_IMODE(data.stat().st_mode) == 0o700


def test_a_program_that_ends_is_started_again_and_the_reason_is_told(data: Path) -> None:
    with Supervised(data, executor="dies") as slipway:
        wait_for(lambda: "executor" in slipway.told() and "second life" in slipway.told(), slipway.told)
        assert "ended with exit code 3; starting it again in 0.5 s" in slipway.told()
        first, second = slipway.moments("executor")
        assert second - first > 0.5


def test_a_killed_store_comes_back_on_its_port_and_the_others_live_on(data: Path) -> None:
    with Supervised(data).until_ready() as slipway:
        before = slipway.pids("server") + slipway.pids("executor")
        port = int(slipway.store_urls("server")[0].rpartition(":")[2])
        signal_to(slipway.pids("store")[0], signal.SIGKILL)
        wait_for(lambda: "is back" in slipway.told(), slipway.told)
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
        assert "was ended by SIGKILL" in slipway.told()
        assert slipway.pids("server") + slipway.pids("executor") == before
        assert all(alive(pid) for pid in before)


def test_a_program_that_keeps_dying_is_tried_ever_more_slowly(data: Path) -> None:
    with Supervised(data).until_ready() as slipway:
        for life in range(3):
            wait_for(lambda: len(slipway.pids("executor")) == life + 1, slipway.told)  # noqa: B023
            signal_to(slipway.pids("executor")[-1], signal.SIGKILL)
        wait_for(lambda: len(slipway.pids("executor")) == 4, slipway.told)
        pauses = [line for line in slipway.told().splitlines() if "starting it again in" in line]
        assert [line.split(" in ")[1] for line in pauses] == ["0.5 s", "1 s", "2 s"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_everything_in_good_order(data: Path, number: signal.Signals) -> None:
    with Supervised(data).until_ready() as slipway:
        assert slipway.end(number) < 3
        assert slipway.process.returncode == 0
        assert not [pid for pid in slipway.all_pids() if alive(pid)]


def test_programs_that_ignore_the_signal_are_killed_within_five_seconds(data: Path) -> None:
    with Supervised(data, executor="stubborn", store="stubborn").until_ready() as slipway:
        assert slipway.end() < 5
        assert slipway.process.returncode == 0
        assert not [pid for pid in slipway.all_pids() if alive(pid)]
        assert "does not stop; killed" in slipway.told()


def test_a_second_signal_ends_the_patience(data: Path) -> None:
    with Supervised(data, executor="stubborn").until_ready() as slipway:
        slipway.process.send_signal(signal.SIGINT)
        wait_for(lambda: not alive(slipway.pids("server")[0]), slipway.told)
        assert slipway.end(signal.SIGINT) < 2
        assert not [pid for pid in slipway.all_pids() if alive(pid)]


def test_a_signal_while_starting_stops_what_has_been_started(data: Path) -> None:
    with Supervised(data) as slipway:
        wait_for(lambda: bool(slipway.pids("store")), slipway.told)
        slipway.end()
        assert slipway.process.returncode == 0
        assert not [pid for pid in slipway.all_pids() if alive(pid)]


def test_a_killed_supervisor_leaves_no_orphans(data: Path) -> None:
    with Supervised(data).until_ready() as slipway:
        slipway.process.kill()
        slipway.process.wait(10)
        wait_for(lambda: not [pid for pid in slipway.all_pids() if alive(pid)], slipway.told)


def test_after_a_kill_the_next_start_works_at_once(data: Path) -> None:
    with Supervised(data).until_ready() as slipway:
        slipway.process.kill()
        slipway.process.wait(10)
    slipway.output.write_text("")
    with Supervised(data, port=slipway.port).until_ready() as again:
        assert again.process.poll() is None


def test_a_taken_port_is_refused_before_anything_starts(data: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with Supervised(data, port=port) as slipway:
            assert slipway.process.wait(20) == 1
            assert f"127.0.0.1:{port} is taken" in slipway.told()
            assert "--port" in slipway.told()
            assert slipway.all_pids() == []


def test_a_setting_that_cannot_be_is_refused_in_one_line_before_anything_starts(data: Path) -> None:
    with Supervised(data, setting="DD_LOG_LEVEL=loud") as slipway:
        assert slipway.process.wait(20) == 1
        assert slipway.told() == "slipway: DD_LOG_LEVEL must be one of trace, debug, info, warn, error, not 'loud'\n"
        assert slipway.all_pids() == []


def test_a_data_directory_that_cannot_be_made_is_named_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    with Supervised(tmp_path / "data") as slipway:
        assert slipway.process.wait(20) == 1
        assert slipway.told() == f"slipway: cannot use the data directory {slipway.data}: File exists\n"


def test_a_second_supervisor_on_the_same_data_is_refused(data: Path) -> None:
    with Supervised(data).until_ready() as first, Supervised(data) as second:
        assert second.process.wait(20) == 1
        assert f"another Slipway (process {first.process.pid}) works on {data}" in second.told()
        assert len(first.pids("store")) == 1


def signal_to(pid: int, number: signal.Signals) -> None:
    os.kill(pid, number)
