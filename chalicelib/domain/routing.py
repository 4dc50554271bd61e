"""Which triggers serve a container and from which update on: labels by category first, then the trigger's settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from chalicelib.domain.container import Container, UpdateKind
from chalicelib.domain.labels import flag, label
from chalicelib.domain.threshold import accepts
from chalicelib.domain.trigger import Trigger, serving
from chalicelib.domain.trigger_options import ACTION_TYPES


def routing_labels(container: Container) -> Mapping[str, str]:
    """Its labels, with what an image set says of its triggers where the labels say nothing."""
    return with_image_set(container.labels, container.wishes.trigger_include, container.wishes.trigger_exclude)


def own_routing_labels(container: Container) -> Mapping[str, str]:
    """The same by its operator's word alone, for what is done to it unasked: its image cannot ask for that."""
    asked_by_image = {name.partition(".")[2] for name in container.inherited_labels}
    wishes = container.wishes
    include = None if "trigger.include" in asked_by_image else wishes.trigger_include
    exclude = None if "trigger.exclude" in asked_by_image else wishes.trigger_exclude
    return with_image_set(container.own_labels, include, exclude)


def with_image_set(labels: Mapping[str, str], include: str | None, exclude: str | None) -> Mapping[str, str]:
    """Labels, with what else was said of the container's triggers where they say nothing."""
    said = {"dd.trigger.include": include, "dd.trigger.exclude": exclude}
    return {**{name: value for name, value in said.items() if value}, **labels}


def is_action(trigger: Trigger) -> bool:
    """Whether it acts on containers; the others tell."""
    return trigger.type in ACTION_TYPES


def listed(trigger: Trigger, labels: Mapping[str, str]) -> bool:
    """Whether a label asks for this trigger by name."""
    include = _include(trigger, labels)
    return bool(include and serving([trigger], include, None))


def served(triggers: Iterable[Trigger], labels: Mapping[str, str]) -> list[Trigger]:
    """Those a container's labels leave, each with the threshold that holds for it."""
    found = []
    for trigger in triggers:
        found += serving([trigger], _include(trigger, labels), _exclude(trigger, labels))
    return found


def automatic(trigger: Trigger, labels: Mapping[str, str]) -> bool:
    """Whether it runs without being asked: always, never, or only for containers that name it or ask for it."""
    auto = str(trigger.configuration.get("auto", "true"))
    if auto == "onauto":
        return flag(labels, f"{_category(trigger)}.auto") is True
    return auto == "true" or (auto == "oninclude" and listed(trigger, labels))


def passes(trigger: Trigger, update: UpdateKind) -> bool:
    """Whether an update is worth it to this trigger."""
    return accepts(str(trigger.configuration.get("threshold", "all")), update)


def _include(trigger: Trigger, labels: Mapping[str, str]) -> str | None:
    return label(labels, f"{_category(trigger)}.include") or label(labels, "trigger.include")


def _exclude(trigger: Trigger, labels: Mapping[str, str]) -> str | None:
    both = (label(labels, f"{_category(trigger)}.exclude"), label(labels, "trigger.exclude"))
    return ",".join(one for one in both if one) or None


def _category(trigger: Trigger) -> str:
    return "action" if is_action(trigger) else "notification"
