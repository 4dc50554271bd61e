"""JSON lines come out whole wherever the chunks of the stream end, and events are read from them."""

from __future__ import annotations

import json

import pytest

from local_runtime.engine.event_stream import event_of
from local_runtime.engine.lines import LONGEST_LINE, LineTooLong, json_lines

DOCUMENTS = [{"status": "start", "name": "wéb"}, {"n": 1}, {"text": "a\\nb"}]
STREAM = b"\r\n".join(json.dumps(document, ensure_ascii=False).encode() for document in DOCUMENTS) + b"\r\n"


def test_a_stream_cut_at_any_byte_gives_the_same_documents() -> None:
    for cut in range(len(STREAM) + 1):
        assert list(json_lines([STREAM[:cut], STREAM[cut:]])) == DOCUMENTS


def test_a_stream_of_single_bytes_gives_the_same_documents() -> None:
    assert list(json_lines(STREAM[at : at + 1] for at in range(len(STREAM)))) == DOCUMENTS


def test_a_last_line_without_its_end_still_counts() -> None:
    assert list(json_lines([b'{"a": 1}\n{"b"', b": 2}"])) == [{"a": 1}, {"b": 2}]


def test_a_broken_line_is_passed_over() -> None:
    assert list(json_lines([b'{"a": 1}\nnot json\n[1]\n\n{"b": 2}\n'])) == [{"a": 1}, {"b": 2}]


def test_an_endless_line_is_refused() -> None:
    with pytest.raises(LineTooLong):
        list(json_lines(b"x" * (LONGEST_LINE // 4) for _ in range(6)))


def test_a_health_event_tells_action_and_health_apart() -> None:
    event = event_of(
        {
            "Type": "container",
            "Action": "health_status: unhealthy",
            "Actor": {"ID": "abc", "Attributes": {"name": "web", "image": "w:1"}},
            "time": 1700000000,
            "timeNano": 1700000000500000000,
        }
    )
    assert event
    assert (event.action, event.health, event.name, event.at) == ("health_status", "unhealthy", "web", 1700000000.5)


def test_an_event_of_an_old_engine_without_an_actor_is_read() -> None:
    event = event_of({"status": "die", "id": "abc", "from": "w:1", "time": 1700000000})
    assert event
    assert (event.action, event.container_id, event.name, event.at) == ("die", "abc", "", 1700000000.0)


@pytest.mark.parametrize(
    "document",
    [
        {"Type": "network", "Action": "create", "Actor": {"ID": "n"}},
        {"Type": "container", "Action": "exec_start: ls", "Actor": {"ID": "c"}},
        {"Type": "container", "Action": "start"},
        {},
    ],
)
def test_what_is_no_container_event_is_left_out(document: dict[str, object]) -> None:
    assert event_of(document) is None
