"""Metrics in Prometheus' text format, under the names of the reference, for its dashboards."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prometheus_client.core import Metric

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_LEFT_OUT = frozenset(
    {"labels", "details", "security", "updatePolicy", "updatePolicyDeclarative", "updateEligibility", "updateOperation"}
)
"""Members that are lists of their own, change with every scrape, or hold what an operator wrote for other eyes."""
_COMPONENT = ("type", "name")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

Labels = dict[str, str]


def text(
    *,
    containers: Iterable[Mapping[str, Any]],
    watchers: Iterable[Labels],
    responses: Mapping[tuple[str, str], tuple[int, float]],
    counters: Iterable[tuple[str, str, Sequence[tuple[Labels, int]]]],
) -> bytes:
    """One gauge for each of these containers (as the API writes them) and watchers, what registries answered (requests
    and seconds by type and name), these counters (name, help, values by labels), and what the process says of itself.
    """
    from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, generate_latest
    from prometheus_client.core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        SummaryMetricFamily,
        UnknownMetricFamily,
    )

    families: list[Metric] = []
    shown = GaugeMetricFamily("dd_containers", "The watched containers")
    for container in containers:
        shown.add_sample("dd_containers", flattened(container), 1)
    families.append(shown)
    total = GaugeMetricFamily("dd_watcher_total", "The watchers")
    for labels in watchers:
        total.add_sample("dd_watcher_total", labels, 1)
    families.append(total)
    answered = SummaryMetricFamily(
        "dd_registry_response", "Requests to registries, by all agents, and the seconds they took", labels=_COMPONENT
    )
    for component, (requests, seconds) in sorted(responses.items()):
        answered.add_metric(component, requests, seconds)
    families.append(answered)
    for name, described, values in counters:
        # A counter's name ends in `_total`; what the reference calls otherwise has no type of its own.
        counts = CounterMetricFamily if name.endswith("_total") else UnknownMetricFamily
        family = counts(name, described)
        for labels, value in values:
            family.add_sample(name, labels, value)
        families.append(family)

    class Collected:
        def collect(self) -> list[Metric]:
            return families

    registry = CollectorRegistry()
    registry.register(Collected())
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    return generate_latest(registry)


def flattened(container: Mapping[str, Any]) -> Labels:
    """The plain members of a container as labels: `image.tag.value` becomes `image_tag_value`, lists are left out."""
    found: Labels = {}
    _flatten(container, "", found)
    return found


def _flatten(body: Mapping[str, Any], prefix: str, found: Labels) -> None:
    for name, value in body.items():
        label = prefix + _HUMP.sub("_", name).lower()
        if name in _LEFT_OUT and not prefix:
            continue
        if isinstance(value, Mapping):
            _flatten(value, f"{label}_", found)
        elif isinstance(value, bool):
            found[label] = "true" if value else "false"
        elif isinstance(value, str | int | float):
            found[label] = str(value)
