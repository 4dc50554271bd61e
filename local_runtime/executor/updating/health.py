"""Proof that a new container lives: it stays up, and its health check, when it has one, says so in time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from chalicelib.domain.vigil import window
from local_runtime.executor.host import Host
from local_runtime.executor.inspection import inspect_optional

_PAUSE = 0.2
_BEAT = 10.0
_NANOSECONDS = 1_000_000_000
_DEFAULT_INTERVAL = _DEFAULT_TIMEOUT = 30.0
_DEFAULT_RETRIES = 3

Document = Mapping[str, Any]


class NotAlive(Exception):
    """The new container did not prove itself; the message says how it failed."""


def require_alive(host: Host, container: str, seconds: float) -> Document:
    """The container's inspect document after it has stayed up that long. Raises NotAlive."""
    until = host.clock.monotonic() + seconds
    while True:
        document = _require_running(host, container)
        left = until - host.clock.monotonic()
        if left <= 0 or has_health_check(document):
            return document
        host.clock.sleep(min(_PAUSE, left))


def require_healthy(host: Host, container: str, beat: Callable[[], object]) -> None:
    """Return once its health check passes. Raises NotAlive when it fails, stops, or takes too long.

    `beat` is called every ten seconds, so that the waiting can be seen.
    """
    started = beaten = host.clock.monotonic()
    document = _require_running(host, container)
    patience = max(float(host.settings.health_gate_seconds), _patience(document), _watched_over(document))
    while True:
        document = _require_running(host, container)
        health = document["State"].get("Health") or {}
        if health.get("Status") == "healthy":
            return
        if health.get("Status") == "unhealthy":
            raise NotAlive(f"its health check failed: {_last_output(health)}")
        now = host.clock.monotonic()
        if now - started > patience:
            raise NotAlive(f"its health check did not pass within {patience:.0f} seconds: {_last_output(health)}")
        if now - beaten >= _BEAT:
            beaten = now
            beat()
        host.clock.sleep(_PAUSE)


def require_heard(host: Host, container: str, heard: Callable[[Document], bool], beat: Callable[[], object]) -> None:
    """Return once `heard`, asked with its inspect document, says that the container has told of itself.

    Raises NotAlive when it stops or takes longer than a health check may; `beat` is called every ten seconds.
    """
    started = beaten = host.clock.monotonic()
    patience = float(host.settings.health_gate_seconds)
    while not heard(_require_running(host, container)):
        now = host.clock.monotonic()
        if now - started > patience:
            raise NotAlive(f"it runs, but did not report within {patience:.0f} seconds")
        if now - beaten >= _BEAT:
            beaten = now
            beat()
        host.clock.sleep(_PAUSE)


def has_health_check(document: Document) -> bool:
    """Whether the container's health is checked at all."""
    return bool((document["State"].get("Health") or {}).get("Status") not in (None, "none"))


def _require_running(host: Host, container: str) -> Document:
    document = inspect_optional(host.engine, container)
    if document is None:
        raise NotAlive("it is gone")
    state = document["State"]
    if state.get("Restarting") or document.get("RestartCount", 0) > 0:
        raise NotAlive(f"it crashed and was restarted (exit code {state.get('ExitCode')})")
    if not state.get("Running"):
        hint = f": {state['Error']}" if state.get("Error") else ""
        raise NotAlive(f"it exited with code {state.get('ExitCode')}{hint}")
    return document


def _patience(document: Document) -> float:
    """What the health check itself asks for: its start period, then every retry at its interval."""
    check = (document.get("Config") or {}).get("Healthcheck") or {}
    interval = check.get("Interval", 0) / _NANOSECONDS or _DEFAULT_INTERVAL
    timeout = check.get("Timeout", 0) / _NANOSECONDS or _DEFAULT_TIMEOUT
    retries = check.get("Retries", 0) or _DEFAULT_RETRIES
    return float(check.get("StartPeriod", 0) / _NANOSECONDS + interval * retries + timeout)


def _watched_over(document: Document) -> float:
    """Who has a container looked after for a while gives its first health check as long."""
    return window((document.get("Config") or {}).get("Labels") or {}).total_seconds()


def _last_output(health: Document) -> str:
    log = health.get("Log") or []
    output = str(log[-1].get("Output", "")).strip() if log else ""
    return output[:200] or "it said nothing"
