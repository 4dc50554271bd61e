"""What every tool has in common: a safe reference, credentials by environment, one more try, a pause when it is ill."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from chalicelib.domain.environment import without
from chalicelib.ports.clock import Clock
from chalicelib.ports.engine import RegistryAuth
from chalicelib.ports.scanner import ScannerError, Subject
from local_runtime.executor.scanners.process import Finished, Launch

COOL_DOWN = timedelta(minutes=15)
GRACE_SECONDS = 30.0
"""How much longer than its own limit a tool may live."""
_RETRY_PAUSE = 2.0
_COMPLAINT_SHOWN = 400
_BEGINNING_SHOWN = 150
_REFERENCE = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._:/@+-]*$")
_TRANSIENT = re.compile(
    r"toomanyrequests|too many requests|timed? ?out|deadline exceeded|connection (?:reset|refused)|unexpected EOF"
    r"|no such host|temporary failure|bad gateway|service unavailable|cache may be in use|status code:? 5\d\d",
    re.IGNORECASE,
)
_IN_PASSING = re.compile(
    r"^(?:\S+[ \t]+)?(?:TRACE|DEBUG|INFO|WARN)\b.*$|^WARNING: .*$"
    r"|^(?:main\.go:\d+: )?error during command execution: .*$",
    re.MULTILINE,
)
"""What tools say beside their errors; cosign says its error a second time."""
_NO_DATABASE = re.compile(
    r"vulnerability DB|DB error|database download|vulnerability database|vulnerability db|java DB", re.IGNORECASE
)


class ToolFailed(ScannerError):
    """The tool ended with an error; the message is the end of what it complained of."""


class Call:
    """Runs one program. After trouble with its database it is left alone for a while."""

    def __init__(
        self, program: Sequence[str], launch: Launch, environment: Mapping[str, str], seconds: float, clock: Clock
    ) -> None:
        self._program = tuple(program)
        self._launch = launch
        self._environment = dict(environment)
        self._seconds = seconds
        self._clock = clock
        self._ill_until: datetime | None = None
        self._illness = ""

    @property
    def now(self) -> datetime:
        """By the clock that pauses are measured with."""
        return self._clock.now()

    @property
    def seconds(self) -> float:
        """How long the tool itself may take."""
        return self._seconds

    def output(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        secrets: Sequence[str] = (),
        *,
        rests: bool = True,
    ) -> bytes:
        """What it writes when it ends well, tried twice where waiting may help. Raises ScannerError.

        `rests`: whether it is left alone for a while when it lacks its database.
        """
        self._require_well()
        for attempt in (1, 2):
            outcome = self.once(arguments, environment, secrets)
            if outcome.code == 0:
                return outcome.output
            # Grype warns of a database it could not renew, whatever else it fails of.
            error = errors_of(outcome.complaint)
            if rests and _NO_DATABASE.search(error):
                self._rest(outcome)
                break
            if attempt == 1 and _TRANSIENT.search(error):
                self._clock.sleep(_RETRY_PAUSE)
                continue
            break
        raise ToolFailed(self._sentence(outcome))

    def once(self, arguments: Sequence[str], environment: Mapping[str, str], secrets: Sequence[str] = ()) -> Finished:
        """One run, whatever its exit code. Raises ScannerError when it does not end by itself."""
        limit = self._seconds + GRACE_SECONDS
        try:
            ended = self._launch([*self._program, *arguments], self._environment | dict(environment), limit)
        except ScannerError as error:
            # What a launcher says may quote what it was given.
            raise type(error)(without(str(error), secrets)) from None
        return replace(ended, complaint=without(ended.complaint, secrets))

    def _require_well(self) -> None:
        if self._ill_until is not None and self._clock.now() < self._ill_until:
            raise ToolFailed(f"{self._illness}; it is tried again after {self._ill_until:%H:%M} UTC.")

    def _rest(self, outcome: Finished) -> None:
        self._ill_until = self._clock.now() + COOL_DOWN
        self._illness = self._sentence(outcome)

    def _sentence(self, outcome: Finished) -> str:
        return f"{self._program[0]} ended with code {outcome.code}: {shown(outcome.complaint)}"


def errors_of(complaint: str) -> str:
    """What a tool complained of, without its warnings and its notes; all of it when it said nothing else."""
    return _IN_PASSING.sub("", complaint).strip() or complaint.strip()


def shown(complaint: str) -> str:
    """A tool's errors in one short line: the beginning of a long one, which says what failed, and its end."""
    said = " ".join(errors_of(complaint).split())
    if len(said) > _COMPLAINT_SHOWN:
        said = f"{said[:_BEGINNING_SHOWN]} … {said[_BEGINNING_SHOWN + 3 - _COMPLAINT_SHOWN :]}"
    return said or "it said nothing"


def safe(reference: str) -> str:
    """The reference, fit for a command line: it can be no option. Raises ScannerError."""
    if not _REFERENCE.match(reference):
        raise ScannerError(f"{reference[:80]!r} is no image that can be scanned")
    return reference


def platform_of(subject: Subject) -> str:
    """`linux/arm64/v8`, as tools want it."""
    parts = (subject.platform.os, subject.platform.architecture, subject.platform.variant)
    return "/".join(part for part in parts if part)


def secrets_of(auth: RegistryAuth | None) -> tuple[str, ...]:
    """What must never be seen."""
    return tuple(secret for secret in (auth.password, auth.identity_token) if secret) if auth else ()
