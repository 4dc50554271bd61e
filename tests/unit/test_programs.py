"""The settings programs are started with, and what is said about ports."""

import socket
from pathlib import Path

import pytest

from local_runtime.host import engine
from local_runtime.programs import Address, free_port, port_problem, settings, store_is_elsewhere
from local_runtime.store.key import KEY_FILE

HERE = Address("127.0.0.1", 3000)


def test_programs_are_pointed_to_the_store_of_this_machine() -> None:
    child = settings({"PATH": "/bin"}, HERE, Path("/data"), "http://127.0.0.1:20001")
    assert child["AWS_ENDPOINT_URL_DYNAMODB"] == child["AWS_ENDPOINT_URL_SQS"] == "http://127.0.0.1:20001"
    assert child["AWS_REGION"] == child["AWS_DEFAULT_REGION"] == "us-east-1"
    assert child["SLIPWAY_STORE_KEY__FILE"] == f"/data/{KEY_FILE}"
    assert (child["DD_SERVER_HOST"], child["DD_SERVER_PORT"], child["SLIPWAY_DATA"]) == ("127.0.0.1", "3000", "/data")
    assert child["PATH"] == "/bin"


def test_a_store_of_the_callers_own_is_used_as_it_is() -> None:
    own = {"AWS_ENDPOINT_URL_DYNAMODB": "http://a:1", "AWS_ENDPOINT_URL_SQS": "http://b:2", "AWS_REGION": "eu-west-1"}
    assert store_is_elsewhere(own)
    child = settings(own, HERE, Path("/data"), None)
    assert child["AWS_ENDPOINT_URL_DYNAMODB"] == "http://a:1"
    assert child["AWS_DEFAULT_REGION"] == "eu-west-1"
    assert "SLIPWAY_STORE_KEY__FILE" not in child


def test_one_endpoint_alone_keeps_our_store_for_the_other() -> None:
    own = {"AWS_ENDPOINT_URL_SQS": "http://b:2"}
    assert not store_is_elsewhere(own)
    child = settings(own, HERE, Path("/data"), "http://127.0.0.1:20001")
    assert (child["AWS_ENDPOINT_URL_SQS"], child["AWS_ENDPOINT_URL_DYNAMODB"]) == (
        "http://b:2",
        "http://127.0.0.1:20001",
    )


def test_a_listening_port_is_taken_and_a_free_one_is_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = Address("127.0.0.1", other.getsockname()[1])
        assert (port_problem(taken) or "").startswith(f"127.0.0.1:{taken.port} is taken: Address already in use; ")
        assert (port_problem(taken) or "").endswith(f"--port {taken.port % 65535 + 1}")
    assert port_problem(Address("127.0.0.1", free_port())) is None


def test_an_address_of_another_machine_is_no_place_to_listen() -> None:
    for foreign in ("192.0.2.1", "nowhere.invalid"):
        problem = port_problem(Address(foreign, 3000)) or ""
        assert problem.startswith(f"{foreign} is no address of this machine") and "--host" in problem


@pytest.mark.parametrize(
    ("environment", "socket_path"),
    [
        ({}, Path("/var/run/docker.sock")),
        ({"DOCKER_HOST": "unix:///run/other.sock"}, Path("/run/other.sock")),
        ({"DOCKER_HOST": "tcp://10.0.0.1:2375"}, None),
        ({"DD_WATCHER_LOCAL_SOCKET": "/run/mine.sock", "DOCKER_HOST": "unix:///x"}, Path("/run/mine.sock")),
        ({"DD_WATCHER_LOCAL_CRON": "0 * * * *"}, Path("/var/run/docker.sock")),
        ({"DD_WATCHER_LOCAL_HOST": "10.0.0.1"}, None),
        ({"DD_WATCHER_FAR_HOST": "10.0.0.1"}, None),
        ({"DD_LOCAL_WATCHER": "false"}, None),
    ],
)
def test_the_engine_meant_by_the_settings(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], socket_path: Path | None
) -> None:
    for name in ("DOCKER_HOST", "DD_LOCAL_WATCHER", "DD_WATCHER_LOCAL_SOCKET", "DD_WATCHER_LOCAL_HOST"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert engine.chosen_socket() == socket_path


def test_nothing_answers_on_a_socket_that_is_not_there(tmp_path: Path) -> None:
    assert not engine.answers(tmp_path / "docker.sock")


def test_an_engine_elsewhere_that_does_not_answer_is_explained(tmp_path: Path) -> None:
    with pytest.raises(engine.EngineUnavailable, match="no Docker Engine answers on"):
        engine.ensure(tmp_path / "docker.sock", tmp_path, lambda _: None)
