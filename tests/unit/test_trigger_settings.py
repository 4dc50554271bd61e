"""Triggers from settings: prefixes, names, inheritance, refusals that name their variable but no secret; the docs."""

from __future__ import annotations

from pathlib import Path

import pytest

from chalicelib.config import load
from chalicelib.domain.trigger import Trigger, masked
from chalicelib.domain.trigger_options import OPTIONS, SHARED
from chalicelib.domain.trigger_settings import read

DOCUMENT = (Path(__file__).parents[2] / "docs/configuration.md").read_text()


def one(**variables: str) -> Trigger:
    found = read(variables)
    assert not found.problems
    (trigger,) = found.triggers
    return trigger


def test_the_specific_prefix_wins_over_the_older_one() -> None:
    trigger = one(
        DD_TRIGGER_NTFY_ONE_TOPIC="old", DD_NOTIFICATION_NTFY_ONE_TOPIC="new", DD_TRIGGER_NTFY_ONE_PRIORITY="3"
    )
    assert (trigger.configuration["topic"], trigger.configuration["priority"]) == ("new", 3)


def test_an_underscore_leads_into_a_deeper_option() -> None:
    trigger = one(DD_NOTIFICATION_NTFY_ONE_TOPIC="t", DD_NOTIFICATION_NTFY_ONE_AUTH_TOKEN="tk")
    assert trigger.configuration["auth"] == {"token": "tk"}


def test_names_and_types_are_of_any_case() -> None:
    assert one(dd_notification_Ntfy_Home_Topic="t").id == "ntfy.home"


def test_what_is_said_for_a_type_holds_unless_a_trigger_says_otherwise() -> None:
    found = read(
        {
            "DD_NOTIFICATION_NTFY_THRESHOLD": "minor",
            "DD_NOTIFICATION_NTFY_ONE_TOPIC": "t",
            "DD_NOTIFICATION_NTFY_TWO_TOPIC": "t",
            "DD_NOTIFICATION_NTFY_TWO_THRESHOLD": "major",
        }
    )
    assert [trigger.configuration["threshold"] for trigger in found.triggers] == ["minor", "major"]


HOME = {
    "DD_NOTIFICATION_NTFY_HOME_TOPIC": "t",
    "DD_NOTIFICATION_SLACK_HOME_TOKEN": "xoxb",
    "DD_NOTIFICATION_NTFY_WORK_TOPIC": "t",
    "DD_ACTION_COMMAND_HOME_CMD": "x",
}


def thresholds(**variables: str) -> dict[str, str]:
    return {one.id: one.configuration["threshold"] for one in read(HOME | variables).triggers}


def test_what_is_said_for_a_name_holds_for_all_triggers_of_that_name() -> None:
    said = thresholds(DD_NOTIFICATION_HOME_THRESHOLD="minor")
    assert said == {"command.home": "all", "ntfy.home": "minor", "slack.home": "minor", "ntfy.work": "all"}
    assert thresholds(DD_TRIGGER_HOME_THRESHOLD="patch", DD_ACTION_HOME_THRESHOLD="major") == {
        "command.home": "major", "ntfy.home": "patch", "slack.home": "patch", "ntfy.work": "all"
    }  # fmt: skip


def test_a_trigger_of_which_two_things_are_said_follows_neither_and_its_own_word_wins() -> None:
    two = {"DD_NOTIFICATION_NTFY_THRESHOLD": "minor", "DD_NOTIFICATION_HOME_THRESHOLD": "patch"}
    found = read(HOME | two)
    assert thresholds(**two) == {"command.home": "all", "ntfy.home": "all", "slack.home": "patch", "ntfy.work": "minor"}
    (problem,) = found.problems
    assert all(variable in problem for variable in two) and "ntfy.home" in problem
    assert thresholds(**two, DD_NOTIFICATION_NTFY_HOME_THRESHOLD="major")["ntfy.home"] == "major"
    assert not read(HOME | dict.fromkeys(two, "minor")).problems


def test_what_is_said_for_a_name_nobody_has_is_a_problem() -> None:
    (problem,) = read(HOME | {"DD_NOTIFICATION_HOEM_THRESHOLD": "minor"}).problems
    assert "DD_NOTIFICATION_HOEM_*" in problem


def test_triggers_come_by_their_order() -> None:
    found = read({"DD_NOTIFICATION_NTFY_A_TOPIC": "t", "DD_ACTION_DOCKER_Z_ORDER": "1", "DD_ACTION_COMMAND_B_CMD": "x"})
    assert [trigger.id for trigger in found.triggers] == ["docker.z", "command.b", "ntfy.a"]


@pytest.mark.parametrize(
    ("said", "kind", "auto"),
    [(None, "ntfy", "true"), (None, "docker", "oninclude"), ("all", "docker", "true"), ("NONE", "ntfy", "false")],
)
def test_notifications_run_by_themselves_and_actions_only_where_they_are_named(
    said: str | None, kind: str, auto: str
) -> None:
    family = "ACTION" if kind == "docker" else "NOTIFICATION"
    variables = {f"DD_{family}_{kind.upper()}_A_ORDER": "1", "DD_NOTIFICATION_NTFY_A_TOPIC": "t"}
    if said:
        variables[f"DD_{family}_{kind.upper()}_A_AUTO"] = said
    (trigger,) = [found for found in read(variables).triggers if found.type == kind]
    assert trigger.configuration["auto"] == auto


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DD_NOTIFICATION_NTFY_BAD_PRIORITY", "9"),
        ("DD_NOTIFICATION_NTFY_BAD_ONCE", "perhaps"),
        ("DD_NOTIFICATION_NTFY_BAD_THRESHOLD", "huge"),
        ("DD_NOTIFICATION_NTFY_BAD_MODE", "loud"),
        ("DD_NOTIFICATION_NTFY_BAD_TOPPIC", "t"),
        ("DD_NOTIFICATION_NTFY_BAD_DIGESTCRON", "tomorrow"),
        ("DD_NOTIFICATION_GOTIFY_BAD_URL", "https://example.com"),
        ("DD_NOTIFICATION_DOCKER_BAD_PRUNE", "true"),
        ("DD_ACTION_NTFY_BAD_TOPIC", "t"),
        ("DD_TRIGGER_CARRIERPIGEON_BAD_COO", "1"),
        ("DD_NOTIFICATION_NTFY_BÄD_TOPIC", "t"),
    ],
)
def test_a_wrong_trigger_is_left_out_and_named_and_the_others_stay(variable: str, value: str) -> None:
    found = read({"DD_NOTIFICATION_NTFY_GOOD_TOPIC": "t", "DD_NOTIFICATION_NTFY_BAD_TOPIC": "t", variable: value})
    assert "ntfy.good" in [trigger.id for trigger in found.triggers]
    (problem,) = found.problems
    kind, name = variable.split("_")[2:4]
    assert kind in problem.upper() and (name in problem.upper() or "names no type" in problem)


def test_a_refusal_never_repeats_a_value() -> None:
    found = read({"DD_NOTIFICATION_SLACK_A_TOKEN": "sEcReT", "DD_NOTIFICATION_SLACK_A_ONCE": "sEcReT"})
    assert found.problems and "sEcReT" not in str(found.problems)


@pytest.mark.parametrize("kind", sorted(OPTIONS))
def test_every_secret_option_is_masked(kind: str) -> None:
    family = "ACTION" if kind in ("docker", "dockercompose", "command") else "NOTIFICATION"
    texts = [option for option in OPTIONS[kind] if option.kind == "text"]
    held = {option.name for option in texts if option.secret}
    said = {option.name: f"sEcReT-{option.name}" if option.secret else "plain" for option in texts}
    variables = {f"DD_{family}_{kind.upper()}_A_{name.upper().replace('.', '_')}": text for name, text in said.items()}
    (trigger,) = read({**variables, f"DD_{family}_{kind.upper()}_A_ORDER": "1"}).triggers
    assert all(f"sEcReT-{name}" in str(trigger.configuration) for name in held)
    assert "sEcReT" not in str(dict(masked(trigger)))


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("xoxb-from-file\n")
    settings = load({"DD_NOTIFICATION_SLACK_A_TOKEN__FILE": str(tmp_path / "token")})
    (slack,) = [one for one in settings.triggers.triggers if one.type == "slack"]
    assert slack.configuration["token"] == "xoxb-from-file"
    assert "xoxb" not in repr(settings)


def test_there_is_a_docker_action_unless_it_is_switched_off() -> None:
    assert [trigger.id for trigger in load({}).triggers.triggers] == ["docker.local"]
    assert load({"DD_ACTION_DOCKER_LOCAL": "false"}).triggers.triggers == ()
    assert [one.id for one in load({"DD_ACTION_DOCKER_MINE_PRUNE": "true"}).triggers.triggers] == ["docker.mine"]


def test_a_command_is_handed_only_the_variables_it_names() -> None:
    settings = load({"DD_ACTION_COMMAND_A_CMD": "x", "DD_ACTION_COMMAND_A_ENV": "TOKEN_A, B", "TOKEN_A": "1", "C": "2"})
    assert settings.triggers.handed_on == {"TOKEN_A": "1"}


def test_every_option_is_documented() -> None:
    for kind, options in OPTIONS.items():
        (row,) = [line for line in DOCUMENT.splitlines() if line.startswith(f"| `{kind}` |")]
        assert not [option.name for option in options if f"`{option.name}`" not in row], kind
    assert not [option.name for option in SHARED if f"`{option.name}`" not in DOCUMENT]
