"""Slipway's own log: its level, its last entries, and its components."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from chalicelib.domain.log_entry import LogEntry
from chalicelib.ports.services import Services
from chalicelib.usecases.read_own_log import read_own_log
from chalicelib.wire import log_ring as wire
from handlers.hosts import ordering
from handlers.http import Request

PATIENCE = timedelta(seconds=3)
"""How long executors are waited for."""


def entries(request: Request, services: Services) -> object:
    """The last entries that were asked for, oldest first."""
    asked = wire.query(request.query)
    return [wire.write(entry) for entry in asked.choose(collect(request, services))]


def collect(request: Request, services: Services) -> list[LogEntry]:
    """Everything that is kept, here and with the executors."""
    orders = ordering(request, services)
    hasty = replace(orders, patience=min(orders.patience, PATIENCE))
    return read_own_log(wire.RING.entries(), hasty, wire.unpack)
