"""An engine that cannot be spoken to as it is configured: every call says why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn, cast

from chalicelib.ports.engine import Engine, EngineUnavailable


class _Absent:
    def __init__(self, reason: str) -> None:
        self._reason = reason

    def __getattr__(self, name: str) -> Callable[..., NoReturn]:
        if name.startswith("_"):
            raise AttributeError(name)

        def refuse(*_arguments: Any, **_options: Any) -> NoReturn:
            raise EngineUnavailable(self._reason)

        return refuse

    def close(self) -> None:
        """There is nothing to close."""


def absent_engine(reason: str) -> Engine:
    """An Engine whose calls all raise EngineUnavailable with this reason."""
    return cast(Engine, _Absent(reason))
