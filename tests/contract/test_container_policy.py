"""`PATCH /:id/update-policy`: all eight actions, every refusal, and whose word holds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chalicelib.domain.container import Candidate, Container, Identity, UpdateKind
from chalicelib.domain.policy import Policy
from tests.builders.api import Api, conform
from tests.builders.containers import NOW, container, with_update

LIST = "/api/v1/containers"
WEB = with_update(container("web"))
DIGEST = UpdateKind("digest", "sha256:1", "sha256:2", "unknown")
MOVED = replace(WEB, update=DIGEST, candidate=Candidate(DIGEST, NOW))


def change(api: Api, one: Container = WEB, **request: object) -> dict[str, object]:
    """The container after an accepted change."""
    answer = api.call("PATCH", f"{LIST}/{one.id}/update-policy", request)
    body: dict[str, object] = answer.must_be(200, "ContainerFull")
    assert api.get(f"{LIST}/{one.id}").json == body
    return body


def refuse(api: Api, request: object) -> str:
    """The message of a refused change."""
    answer = api.call("PATCH", f"{LIST}/{WEB.id}/update-policy", request)
    assert "updatePolicy" not in api.get(f"{LIST}/{WEB.id}").json
    return str(answer.must_be(400, "Error")["error"])


@pytest.fixture(autouse=True)
def known(api: Api) -> None:
    api.add(WEB)


def test_skip_current_skips_the_tag_on_offer(api: Api) -> None:
    body = change(api, action="skip-current")
    assert body["updatePolicy"] == {"skipTags": ["1.3.0"]}
    assert body["updateAvailable"] is False
    assert "updateAge" not in body
    assert "updateMaturityLevel" not in body
    conform("UpdateKind", body["updateKind"])
    assert body["result"] == {"tag": "1.3.0"}


def test_skip_current_skips_the_digest_on_offer(api: Api) -> None:
    api.add(MOVED)
    assert change(api, MOVED, action="skip-current")["updatePolicy"] == {"skipDigests": ["sha256:2"]}


def test_skip_current_twice_skips_once(api: Api) -> None:
    change(api, action="skip-current")
    assert change(api, action="skip-current")["updatePolicy"] == {"skipTags": ["1.3.0"]}


def test_skip_current_works_while_the_update_is_held_back(api: Api) -> None:
    change(api, action="snooze", days=1)
    policy = change(api, action="skip-current")["updatePolicy"]
    assert policy == {"skipTags": ["1.3.0"], "snoozeUntil": "2026-11-24T12:00:00.000Z"}


def test_skip_current_without_an_update_is_refused(api: Api) -> None:
    api.add(container("web"))
    assert "nothing to skip" in refuse(api, {"action": "skip-current"})


def test_a_newer_tag_than_the_skipped_one_is_offered(api: Api) -> None:
    change(api, action="skip-current")
    api.add(with_update(container("web"), tag="1.4.0"))
    assert api.get(f"{LIST}/{WEB.id}").json["updateAvailable"] is True


def test_remove_skip_offers_the_tag_again(api: Api) -> None:
    change(api, action="skip-current")
    body = change(api, action="remove-skip", kind="tag", value=" 1.3.0 ")
    assert "updatePolicy" not in body
    assert body["updateAvailable"] is True


def test_remove_skip_offers_the_digest_again(api: Api) -> None:
    api.add(MOVED)
    change(api, MOVED, action="skip-current")
    assert "updatePolicy" not in change(api, MOVED, action="remove-skip", kind="digest", value="sha256:2")


def test_remove_skip_of_what_is_not_skipped_changes_nothing(api: Api) -> None:
    change(api, action="skip-current")
    body = change(api, action="remove-skip", kind="tag", value="9.9.9")
    assert body["updatePolicy"] == {"skipTags": ["1.3.0"]}


def test_clear_skips_drops_both_lists_and_keeps_the_rest(api: Api) -> None:
    change(api, action="skip-current")
    api.add(MOVED)
    change(api, MOVED, action="skip-current")
    change(api, MOVED, action="snooze", days=1)
    assert change(api, MOVED, action="clear-skips")["updatePolicy"] == {"snoozeUntil": "2026-11-24T12:00:00.000Z"}


SNOOZES = {
    "a week when nothing is said": ({}, "2026-11-30T12:00:00.000Z"),
    "days": ({"days": 3}, "2026-11-26T12:00:00.000Z"),
    "a fraction of a day": ({"days": 0.5}, "2026-11-24T00:00:00.000Z"),
    "a year": ({"days": 365}, "2027-11-23T12:00:00.000Z"),
    "days as text": ({"days": "2"}, "2026-11-25T12:00:00.000Z"),
    "null days": ({"days": None}, "2026-11-30T12:00:00.000Z"),
    "a date": ({"snoozeUntil": "2026-12-24T18:00:00Z"}, "2026-12-24T18:00:00.000Z"),
    "a date in another zone": ({"snoozeUntil": "2026-12-24T18:00:00+02:00"}, "2026-12-24T16:00:00.000Z"),
    "a day": ({"snoozeUntil": "2026-12-24"}, "2026-12-24T00:00:00.000Z"),
    "a date as mail writes it": ({"snoozeUntil": "Thu, 24 Dec 2026 18:00:00 GMT"}, "2026-12-24T18:00:00.000Z"),
    "a date that wins over days": ({"snoozeUntil": "2026-12-24", "days": 1}, "2026-12-24T00:00:00.000Z"),
    "an empty date, so days count": ({"snoozeUntil": "", "days": 1}, "2026-11-24T12:00:00.000Z"),
    "more digits than are kept": ({"snoozeUntil": "2026-12-24T18:00:00.123999Z"}, "2026-12-24T18:00:00.123Z"),
    "the first year": ({"snoozeUntil": "0001-01-01T00:00:00Z"}, "0001-01-01T00:00:00.000Z"),
}


@pytest.mark.parametrize("case", SNOOZES)
def test_snooze_holds_until(api: Api, case: str) -> None:
    request, until = SNOOZES[case]
    assert change(api, action="snooze", **request)["updatePolicy"] == {"snoozeUntil": until}


def test_a_snooze_ends_by_itself(api: Api) -> None:
    assert change(api, action="snooze", days=1)["updateAvailable"] is False
    api.services.clock.sleep(86_399)
    assert api.get(f"{LIST}/{WEB.id}").json["updateAvailable"] is False
    api.services.clock.sleep(1)
    assert api.get(f"{LIST}/{WEB.id}").json["updateAvailable"] is True


def test_a_snooze_in_the_past_holds_nothing(api: Api) -> None:
    assert change(api, action="snooze", snoozeUntil="2020-01-01")["updateAvailable"] is True


def test_unsnooze_offers_it_again(api: Api) -> None:
    change(api, action="snooze")
    body = change(api, action="unsnooze")
    assert body["updateAvailable"] is True
    assert "updatePolicy" not in body


def test_a_maturity_policy_holds_until_the_candidate_is_old_enough_and_then_lifts(api: Api) -> None:
    body = change(api, action="set-maturity-policy", mode="mature", minAgeDays=3)
    assert body["updatePolicy"] == {"maturityMode": "mature", "maturityMinAgeDays": 3}
    assert body["updateAvailable"] is False
    api.services.clock.sleep(86_400)
    assert api.get(f"{LIST}/{WEB.id}").json["updateAvailable"] is True


MATURITIES = {
    "seven days when nothing is said": ({"mode": "mature"}, ("mature", 7)),
    "capitals and spaces": ({"mode": " Mature ", "minAgeDays": 1}, ("mature", 1)),
    "all": ({"mode": "all"}, ("all", 7)),
    "days kept for all": ({"mode": "all", "minAgeDays": 365}, ("all", 365)),
    "days as text": ({"mode": "mature", "minAgeDays": "14"}, ("mature", 14)),
    "a whole number with a point": ({"mode": "mature", "minAgeDays": 14.0}, ("mature", 14)),
}


@pytest.mark.parametrize("case", MATURITIES)
def test_set_maturity_policy(api: Api, case: str) -> None:
    request, (mode, days) = MATURITIES[case]
    body = change(api, action="set-maturity-policy", **request)
    assert body["updatePolicy"] == {"maturityMode": mode, "maturityMinAgeDays": days}


def test_set_maturity_policy_without_days_keeps_those_that_are_set(api: Api) -> None:
    change(api, action="set-maturity-policy", mode="mature", minAgeDays=30)
    body = change(api, action="set-maturity-policy", mode="all")
    assert body["updatePolicy"] == {"maturityMode": "all", "maturityMinAgeDays": 30}


def test_clear_maturity_policy_drops_mode_and_days(api: Api) -> None:
    change(api, action="set-maturity-policy", mode="mature")
    assert "updatePolicy" not in change(api, action="clear-maturity-policy")


def test_clear_drops_everything(api: Api) -> None:
    change(api, action="skip-current")
    change(api, action="snooze")
    change(api, action="set-maturity-policy", mode="mature")
    body = change(api, action="clear")
    assert not [name for name in body if name.startswith("updatePolicy")]
    assert body["updateAvailable"] is True


REFUSED = {
    "no action": {},
    "an empty action": {"action": ""},
    "a null action": {"action": None},
    "an action that is no text": {"action": 7},
    "an unknown action": {"action": "sleep"},
    "an action in capitals": {"action": "Snooze"},
    "a body that is a list": [],
    "a body that is text": "snooze",
    "remove-skip without a kind": {"action": "remove-skip", "value": "1"},
    "remove-skip of another kind": {"action": "remove-skip", "kind": "Tag", "value": "1"},
    "remove-skip without a value": {"action": "remove-skip", "kind": "tag"},
    "remove-skip of nothing": {"action": "remove-skip", "kind": "tag", "value": "  "},
    "remove-skip of a number": {"action": "remove-skip", "kind": "tag", "value": 1},
    "no days at all": {"action": "snooze", "days": 0},
    "days in the past": {"action": "snooze", "days": -1},
    "too many days": {"action": "snooze", "days": 365.0001},
    "days that are no number": {"action": "snooze", "days": "a while"},
    "endless days": {"action": "snooze", "days": "inf"},
    "days as a truth": {"action": "snooze", "days": True},
    "days as a list": {"action": "snooze", "days": [1]},
    "days as empty text": {"action": "snooze", "days": ""},
    "a date that is none": {"action": "snooze", "snoozeUntil": "tomorrow"},
    "a date beyond the calendar": {"action": "snooze", "snoozeUntil": "9999-12-31T23:59:59-23:59"},
    "a date as a number": {"action": "snooze", "snoozeUntil": 1},
    "maturity without a mode": {"action": "set-maturity-policy"},
    "another mode": {"action": "set-maturity-policy", "mode": "old"},
    "a mode that is no text": {"action": "set-maturity-policy", "mode": 1},
    "an age of nothing": {"action": "set-maturity-policy", "mode": "mature", "minAgeDays": 0},
    "too great an age": {"action": "set-maturity-policy", "mode": "mature", "minAgeDays": 366},
    "half a day of age": {"action": "set-maturity-policy", "mode": "mature", "minAgeDays": 1.5},
    "a null age": {"action": "set-maturity-policy", "mode": "mature", "minAgeDays": None},
    "an age that is no number": {"action": "set-maturity-policy", "mode": "mature", "minAgeDays": "x"},
    "an age as a truth": {"action": "set-maturity-policy", "mode": "mature", "minAgeDays": True},
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_wrong_change_is_a_400_and_changes_nothing(api: Api, case: str) -> None:
    assert refuse(api, REFUSED[case])


def test_a_refusal_lists_the_actions_there_are(api: Api) -> None:
    message = refuse(api, {"action": "sleep"})
    assert "skip-current" in message
    assert "clear-maturity-policy" in message


@pytest.mark.parametrize("payload", [{"action": "clear"}, {}, {"action": "sleep"}])
def test_an_unknown_container_is_a_404_before_its_body_is_looked_at(api: Api, payload: object) -> None:
    api.call("PATCH", f"{LIST}/{'f' * 64}/update-policy", payload).must_be(404, "Error")


def test_a_policy_survives_the_recreation_of_its_container(api: Api) -> None:
    change(api, action="snooze")
    again = replace(WEB, id="e" * 64)
    api.add(again)
    assert api.get(f"{LIST}/{again.id}").must_be(200)["updatePolicy"] == {"snoozeUntil": "2026-11-30T12:00:00.000Z"}


def test_labels_hold_a_candidate_back_and_say_that_it_is_they(api: Api) -> None:
    labels = {"dd.updatePolicy.maturityMode": "mature", "dd.updatePolicy.maturityMinAgeDays": "9"}
    api.add(replace(WEB, labels=labels))
    body = api.get(f"{LIST}/{WEB.id}").must_be(200, "ContainerFull")
    assert body["updateAvailable"] is False
    assert body["updatePolicy"] == {"maturityMode": "mature", "maturityMinAgeDays": 9}
    assert body["updatePolicySources"] == {"maturityMode": "label", "maturityMinAgeDays": "label"}
    assert body["updatePolicyDeclarative"] == {"label": body["updatePolicy"]}
    assert "updatePolicyOverrides" not in body


def test_the_api_wins_over_labels_and_labels_over_the_watcher(api: Api) -> None:
    labels = {"dd.updatePolicy.maturityMinAgeDays": "9", "dd.updatePolicy.skipTags": "1.3.0, 2.0.0"}
    watcher = Policy(maturity_mode="mature", maturity_min_age_days=5)
    api.add(replace(WEB, labels=labels, watcher_policy=watcher))
    body = change(api, action="set-maturity-policy", mode="all")
    assert body["updatePolicy"] == {
        "maturityMode": "all",
        "maturityMinAgeDays": 9,
        "skipTags": ["1.3.0", "2.0.0"],
    }
    assert body["updatePolicySources"] == {
        "maturityMode": "override",
        "maturityMinAgeDays": "override",
        "skipTags": "label",
    }
    assert body["updatePolicyDeclarative"] == {
        "env": {"maturityMode": "mature", "maturityMinAgeDays": 5},
        "label": {"maturityMinAgeDays": 9, "skipTags": ["1.3.0", "2.0.0"]},
    }
    assert body["updatePolicyOverrides"] == {"maturityMode": "all", "maturityMinAgeDays": 9}


def test_a_skip_of_a_label_can_be_taken_back_and_comes_back_when_skips_are_cleared(api: Api) -> None:
    api.add(replace(WEB, labels={"dd.updatePolicy.skipTags": "1.3.0"}))
    body = change(api, action="remove-skip", kind="tag", value="1.3.0")
    assert body["updateAvailable"] is True
    assert body["updatePolicyOverrides"] == {"skipTags": []}
    assert body["updatePolicySources"] == {"skipTags": "override"}
    body = change(api, action="clear-skips")
    assert body["updateAvailable"] is False
    assert body["updatePolicySources"] == {"skipTags": "label"}


def test_a_change_is_audited_with_who_made_it(api: Api) -> None:
    change(api, action="snooze")
    change(api, action="unsnooze")
    change(api, action="unsnooze")
    rows = api.get("/api/v1/audit").must_be(200)["data"]
    assert [row["action"] for row in rows] == ["update-policy-override-cleared", "update-policy-override-set"]
    assert rows[1]["details"] == "snooze, by ada"
    assert rows[1]["containerName"] == "web"


def test_two_changes_at_once_are_both_kept(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    policies = api.services.policies
    read = policies.get

    def overtaken(identity: Identity) -> tuple[Policy, int]:
        found = read(identity)
        monkeypatch.setattr(policies, "get", read)
        policies.put(identity, Policy(skip_tags=("1.3.0",)), found[1])
        return found

    monkeypatch.setattr(policies, "get", overtaken)
    body = change(api, action="snooze", days=1)
    assert body["updatePolicy"] == {"skipTags": ["1.3.0"], "snoozeUntil": "2026-11-24T12:00:00.000Z"}
