"""Policies in layers, and what a candidate's standing comes to under them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.container import NO_UPDATE, Candidate, UpdateKind
from chalicelib.domain.errors import Invalid
from chalicelib.domain.labels import policy as label_policy
from chalicelib.domain.policy import NO_POLICY, Layers, Policy, PolicyRequest
from chalicelib.domain.policy_change import ACTIONS, change
from chalicelib.domain.standing import standing

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
TAG = UpdateKind("tag", "1.0.0", "1.1.0", "minor")
DIGEST = UpdateKind("digest", "sha256:1", "sha256:2")

TAGS = st.one_of(st.none(), st.lists(st.sampled_from(["1.1.0", "2", "3"]), max_size=3, unique=True).map(tuple))
POLICIES = st.builds(
    Policy,
    skip_tags=TAGS,
    skip_digests=TAGS,
    snooze_until=st.none() | st.integers(-5, 5).map(lambda days: NOW + timedelta(days=days)),
    maturity_mode=st.sampled_from([None, "all", "mature"]),
    maturity_min_age_days=st.none() | st.integers(1, 365),
)
DECLARED = POLICIES.map(
    lambda one: Policy(
        one.skip_tags or None, one.skip_digests or None, None, one.maturity_mode, one.maturity_min_age_days
    )
)
LAYERS = st.builds(Layers, override=POLICIES, label=DECLARED, env=DECLARED)


def candidate(kind: UpdateKind = TAG, *, age: timedelta = timedelta(days=2), **more: datetime) -> Candidate:
    return Candidate(kind, NOW - age, **more)


def test_without_a_candidate_nothing_is_available() -> None:
    assert not standing(None, Policy(snooze_until=NOW), NOW).update_available


def test_a_candidate_nobody_holds_back_is_available_with_its_age() -> None:
    found = standing(candidate(), NO_POLICY, NOW)
    assert (found.update_available, found.age, found.maturity) == (True, timedelta(days=2), "mature")


@pytest.mark.parametrize(
    ("kind", "policy", "why"),
    [
        (TAG, Policy(snooze_until=NOW + timedelta(seconds=1)), "snoozed"),
        (TAG, Policy(snooze_until=NOW), None),
        (TAG, Policy(maturity_mode="mature", maturity_min_age_days=3), "immature"),
        (TAG, Policy(maturity_mode="mature", maturity_min_age_days=2), None),
        (TAG, Policy(maturity_mode="mature"), "immature"),
        (TAG, Policy(maturity_mode="all", maturity_min_age_days=300), None),
        (TAG, Policy(skip_tags=("1.1.0",)), "skipped-tag"),
        (TAG, Policy(skip_digests=("1.1.0",)), None),
        (DIGEST, Policy(skip_digests=("sha256:2",)), "skipped-digest"),
        (DIGEST, Policy(skip_tags=("sha256:2",)), None),
        (TAG, Policy(("1.1.0",), None, NOW + timedelta(days=1), "mature", 9), "snoozed"),
        (TAG, Policy(("1.1.0",), None, None, "mature", 9), "immature"),
    ],
)
def test_what_holds_a_candidate_back(kind: UpdateKind, policy: Policy, why: str | None) -> None:
    found = standing(candidate(kind), policy, NOW)
    assert found.suppressed_by == why
    assert found.update_available is (why is None)


def test_a_trusted_earlier_publication_counts_and_one_in_the_future_does_not() -> None:
    earlier = candidate(age=timedelta(hours=1), published_at=NOW - timedelta(days=9))
    assert standing(earlier, NO_POLICY, NOW).maturity == "established"
    future = candidate(age=timedelta(hours=1), published_at=NOW + timedelta(days=1))
    assert standing(future, NO_POLICY, NOW).maturity == "hot"


def test_an_age_is_never_negative() -> None:
    assert standing(candidate(age=timedelta(days=-1)), NO_POLICY, NOW).age == timedelta()


def test_of_each_member_the_highest_layer_that_says_something_holds() -> None:
    layers = Layers(
        Policy(maturity_min_age_days=1), Policy(skip_tags=("2",), maturity_mode="mature"), Policy(maturity_mode="all")
    )
    assert layers.effective == Policy(("2",), None, None, "mature", 1)
    assert layers.sources == {
        "skip_tags": "label",
        "maturity_mode": "label",
        "maturity_min_age_days": "override",
    }


@given(LAYERS)
def test_what_holds_was_said_by_the_layer_that_is_named(layers: Layers) -> None:
    for member, source in layers.sources.items():
        assert getattr(layers.effective, member) == (getattr(getattr(layers, source), member) or None)
    assert layers.effective.snooze_until == layers.override.snooze_until


@given(LAYERS, st.sampled_from([TAG, DIGEST]))
def test_skipping_holds_the_candidate_back_and_taking_it_back_offers_it_whatever_the_layers(
    layers: Layers, kind: UpdateKind
) -> None:
    skipped = Layers(change(layers, PolicyRequest("skip-current"), kind, NOW), layers.label, layers.env)
    member = "skip_tags" if kind is TAG else "skip_digests"
    assert kind.remote_value in getattr(skipped.effective, member)
    request = PolicyRequest("remove-skip", kind=kind.kind, value=kind.remote_value)
    restored = Layers(change(skipped, request, NO_UPDATE, NOW), layers.label, layers.env)
    assert kind.remote_value not in (getattr(restored.effective, member) or ())


@given(LAYERS)
def test_clear_leaves_what_is_declared(layers: Layers) -> None:
    assert change(layers, PolicyRequest("clear"), TAG, NOW) == NO_POLICY
    assert Layers(NO_POLICY, layers.label, layers.env).effective == layers.declared


@given(LAYERS, st.sampled_from(["clear-skips", "unsnooze", "clear-maturity-policy"]))
def test_taking_back_touches_its_own_members_alone(layers: Layers, action: str) -> None:
    members = {
        "clear-skips": {"skip_tags", "skip_digests"},
        "unsnooze": {"snooze_until"},
        "clear-maturity-policy": {"maturity_mode", "maturity_min_age_days"},
    }[action]
    changed = change(layers, PolicyRequest(action), TAG, NOW)
    for member in ("skip_tags", "skip_digests", "snooze_until", "maturity_mode", "maturity_min_age_days"):
        wanted = None if member in members else getattr(layers.override, member)
        assert getattr(changed, member) == wanted


JUNK = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=30), st.lists(st.integers()))
REQUESTS = st.builds(
    PolicyRequest,
    action=st.sampled_from([*ACTIONS, None, 7, "x"]),
    kind=st.sampled_from(["tag", "digest"]) | JUNK,
    value=JUNK,
    days=JUNK,
    snooze_until=st.datetimes().map(str) | JUNK,
    mode=st.sampled_from(["all", "MATURE "]) | JUNK,
    min_age_days=st.just(...) | JUNK,
)


@given(LAYERS, REQUESTS, st.sampled_from([TAG, DIGEST, NO_UPDATE]))
def test_whatever_is_asked_it_is_done_or_refused(layers: Layers, request: PolicyRequest, kind: UpdateKind) -> None:
    try:
        changed = change(layers, request, kind, NOW)
    except Invalid as refusal:
        assert str(refusal)
        return
    assert changed.maturity_mode in (None, "all", "mature")
    assert changed.maturity_min_age_days is None or 1 <= changed.maturity_min_age_days <= 365
    assert changed.snooze_until is None or changed.snooze_until.tzinfo is not None


@pytest.mark.parametrize(
    ("labels", "policy"),
    [
        ({}, NO_POLICY),
        ({"dd.updatePolicy.maturityMode": " Mature"}, Policy(maturity_mode="mature")),
        ({"wud.updatePolicy.maturityMinAgeDays": "30"}, Policy(maturity_min_age_days=30)),
        ({"dd.updatePolicy.skipTags": "1, 2,,1"}, Policy(skip_tags=("1", "2"))),
        ({"dd.updatePolicy.skipDigests": "sha256:1"}, Policy(skip_digests=("sha256:1",))),
        ({"dd.updatePolicy.maturityMode": "old", "dd.updatePolicy.maturityMinAgeDays": "366"}, NO_POLICY),
        ({"dd.updatePolicy.maturityMinAgeDays": "0", "dd.updatePolicy.skipTags": " , "}, NO_POLICY),
        ({"dd.updatePolicy.maturityMinAgeDays": "٣"}, NO_POLICY),
    ],
)
def test_labels_declare_a_policy_and_what_cannot_be_meant_is_left_out(labels: dict[str, str], policy: Policy) -> None:
    assert label_policy(labels) == policy
