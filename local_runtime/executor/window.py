"""Maintenance windows: the minutes in which what nobody asked for may begin."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

log = logging.getLogger(__name__)
_MINUTE = timedelta(minutes=1)


class Window:
    """A cron expression read minute by minute in its zone: open in every minute it names. None is always open."""

    def __init__(self, expression: str | None, zone: str = "UTC") -> None:
        self._expression = expression
        self._zone = ZoneInfo(zone)
        if expression and expression.split()[0] not in ("*", "*/1"):
            log.warning(
                "The maintenance window '%s' is open in single minutes only; begin it with * for whole hours",
                expression,
            )

    def is_open(self, now: datetime) -> bool:
        """Whether this minute is one of them. Raises CronSimError for an expression that cannot be read."""
        if self._expression is None:
            return True
        # In local time without its zone: a minute the clocks skip or repeat is a minute on the wall.
        minute = now.astimezone(self._zone).replace(second=0, microsecond=0, tzinfo=None)
        return next(CronSim(self._expression, minute - _MINUTE), None) == minute

    def opens(self, now: datetime) -> datetime | None:
        """The next minute in it, in UTC; nothing when there is none, or when it is always open."""
        if self._expression is None:
            return None
        try:
            found = next(CronSim(self._expression, now.astimezone(self._zone)), None)
        except CronSimError:
            return None
        return found.astimezone(UTC) if found is not None else None


@cache
def window(expression: str | None, zone: str) -> Window:
    """One for each expression and zone, which so complains once."""
    return Window(expression, zone)
