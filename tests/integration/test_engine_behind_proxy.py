"""An engine behind a proxy that asks for credentials, and one that cannot be spoken to at all."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from chalicelib.ports.engine import EngineError, EngineUnavailable
from chalicelib.settings_watchers import WatcherSettings
from local_runtime.executor.station import connect

VERSION = {"Version": "20.10", "ApiVersion": "1.41"}


class Proxy(BaseHTTPRequestHandler):
    """Answers like an engine without containers, to whoever shows the token."""

    version: Mapping[str, str]

    def do_GET(self) -> None:
        allowed = self.headers.get("Authorization") == "Bearer t0ken"
        body = json.dumps((self.version if "version" in self.path else []) if allowed else {"message": "who are you?"})
        self.send_response(200 if allowed else 401)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        """Silence."""


@contextmanager
def serving(version: Mapping[str, str] = VERSION) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Speaking", (Proxy,), {"version": version}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_proxy_gets_the_credentials_it_asks_for() -> None:
    with serving() as url:
        known = connect(WatcherSettings("nas", base_url=url, authorization="Bearer t0ken"))
        assert list(known.containers()) == []
        known.close()  # type: ignore[attr-defined]
        stranger = connect(WatcherSettings("nas", base_url=url))
        with pytest.raises(EngineUnavailable, match="who are you"):
            stranger.containers()


@pytest.mark.parametrize(
    ("newest", "oldest", "spoken"),
    [("1.41", "1.12", "1.41"), ("1.51", "1.24", "1.51"), ("1.54", "1.44", "1.51"), ("1.60", "1.53", "1.53")],
)
def test_an_engine_is_spoken_to_in_the_newest_version_that_both_know(newest: str, oldest: str, spoken: str) -> None:
    with serving({"Version": "30.0", "ApiVersion": newest, "MinAPIVersion": oldest}) as url:
        engine = connect(WatcherSettings("nas", base_url=url, authorization="Bearer t0ken"))
        assert engine.api_version() == spoken
        engine.close()  # type: ignore[attr-defined]


def test_an_engine_that_cannot_be_reached_as_configured_says_why_at_every_call() -> None:
    engine = connect(WatcherSettings("far", base_url="gopher://far", problem="DD_WATCHER_FAR_HOST: not like that"))
    for call in (engine.containers, lambda: engine.inspect("web"), lambda: engine.events()):
        with pytest.raises(EngineUnavailable, match="DD_WATCHER_FAR_HOST"):
            call()


def test_missing_tls_files_are_trouble_of_that_engine_alone() -> None:
    engine = connect(WatcherSettings("nas", base_url="https://127.0.0.1:1", ca_file="/nowhere/ca.pem"))
    with pytest.raises(EngineError):
        engine.containers()
