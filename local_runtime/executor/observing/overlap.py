"""Where a container's history and its running stream meet: what of the one is in the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from chalicelib.domain.log import LogLine

_STREAMS = 2


class Overlap:
    """What of a running stream a viewer has had already, from the history read when it came.

    Within one of a container's two streams times never go back, and so they tell; lines of the very same time are told
    by their text.
    """

    def __init__(self) -> None:
        self._last: dict[str, str] = {}
        self._same: dict[str, Counter[str]] = {}

    @property
    def latest(self) -> str | None:
        """The earliest of the two streams' last times; nothing before a line was had, or when lines have no times."""
        return min(filter(None, self._last.values()), key=_moment, default=None)

    def had(self, lines: Sequence[LogLine]) -> None:
        """These lines of the history have been sent."""
        # From the end: only what has a stream's last time matters.
        ends: dict[str, tuple[str, Counter[str]]] = {}
        done: set[str] = set()
        for stream, ts, line in reversed(lines):
            if stream in done:
                if len(done) == _STREAMS:
                    break
                continue
            last, same = ends.setdefault(stream, (ts, Counter()))
            if ts == last:
                same[line] += 1
            else:
                done.add(stream)
        for stream, (ts, same) in ends.items():
            if self._last.get(stream) == ts and stream not in done:
                self._same[stream] += same
            else:
                self._last[stream], self._same[stream] = ts, same

    def lets_through(self, lines: Sequence[LogLine]) -> bool:
        """Whether all of them come after the history, as can be seen without looking at each."""
        return not (self._last and any(line.stream in self._last for line in lines))

    def new(self, lines: Sequence[LogLine]) -> list[LogLine]:
        """Those that come after the history."""
        return [line for line in lines if self._is_new(line)]

    def _is_new(self, line: LogLine) -> bool:
        last = self._last.get(line.stream)
        if last is None:
            return True
        if _moment(line.ts) < _moment(last):
            return False
        if line.ts == last and self._same[line.stream][line.line] > 0:
            self._same[line.stream][line.line] -= 1
            return False
        if line.ts != last:
            del self._last[line.stream]
        return True


def _moment(ts: str) -> str:
    """A time that sorts as text: the engine leaves out trailing zeros of the fraction."""
    whole, _, fraction = ts.rstrip("Z").partition(".")
    return f"{whole}.{fraction:0<9}"
