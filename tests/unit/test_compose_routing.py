"""Which docker trigger serves a container: the nearest to its compose file."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from chalicelib.domain.compose_routing import by_precedence
from chalicelib.domain.routing import served
from chalicelib.domain.trigger_settings import read
from tests.builders.composed import labels

TRIGGERS = read(
    {
        "DD_ACTION_DOCKER_PLAIN": "",
        "DD_ACTION_DOCKERCOMPOSE_ALL": "",
        "DD_ACTION_DOCKERCOMPOSE_SHOP_FILE": "/srv/shop/compose.yml",
        "DD_ACTION_DOCKERCOMPOSE_TREE_FILE": "/opt/stacks",
    }
).triggers

SHOP = labels("/srv/shop/compose.yml")


@pytest.mark.parametrize(
    ("said", "order"),
    [
        (SHOP, ["shop", "all", "plain"]),
        (labels("/opt/stacks/a/compose.yml"), ["tree", "all", "plain"]),
        (labels("/mnt/shop/compose.yml"), ["shop", "all", "plain"]),
        (labels("/elsewhere/x/compose.yml"), ["all", "plain"]),
        (labels("/opt/stacks2/a/compose.yml"), ["all", "plain"]),
        ({"com.docker.compose.service": "web"}, ["all", "shop", "tree", "plain"]),
        ({}, ["plain", "all", "shop", "tree"]),
        (SHOP | {"dd.compose.file": "/opt/stacks/x.yml"}, ["tree", "all", "plain"]),
    ],
)
def test_the_trigger_nearest_to_the_file_comes_first(said: Mapping[str, str], order: list[str]) -> None:
    assert [trigger.name for trigger in by_precedence(TRIGGERS, said)] == order


def test_exclusion_wins() -> None:
    said = SHOP | {"dd.action.exclude": "dockercompose.shop", "dd.action.include": "shop,plain"}
    assert [trigger.name for trigger in served(by_precedence(TRIGGERS, said), said)] == ["plain"]
