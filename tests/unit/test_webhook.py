"""What registries tell of a push: six dialects, signatures, and everything that is no push."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.errors import Invalid
from chalicelib.domain.reference import Reference
from chalicelib.domain.webhook import concerns, read_push, signed


def harbor(resource: str, kind: str = "PUSH_ARTIFACT", tag: str | None = "1.0") -> dict[str, Any]:
    body = {"resources": [{"resource_url": resource, "digest": "sha256:0", **({"tag": tag} if tag else {})}]}
    return {"type": kind, "occur_at": 1, "operator": "admin", "event_data": body}


def ghcr(key: str = "registry_package", action: str = "published", kind: str = "CONTAINER") -> dict[str, Any]:
    version = {"container_metadata": {"tag": {"name": "2.1", "digest": "sha256:0"}}}
    package = {"name": "web", "namespace": "Acme", "ecosystem": kind, "package_version": version}
    return {"action": action, key: package, "sender": {"login": "ada"}}


def acr(action: str = "push") -> dict[str, Any]:
    target = {"repository": "team/web", "tag": "v1", "digest": "sha256:0"}
    return {"action": action, "target": target, "request": {"host": "acme.azurecr.io", "method": "PUT"}}


def ecr(action: str = "PUSH", result: str = "SUCCESS", region: str = "eu-west-1") -> dict[str, Any]:
    detail = {"action-type": action, "result": result, "repository-name": "team/web", "image-tag": "1.2"}
    return {
        "source": "aws.ecr",
        "detail-type": "ECR Image Action",
        "account": "123456789012",
        "region": region,
        "detail": detail,
    }


PUSHES = [
    ("hub", {"push_data": {"tag": "1.0"}, "repository": {"repo_name": "acme/web"}}, ["acme/web:1.0"]),
    ("hub", {"push_data": {"tag": "1.0"}, "repository": {"repo_name": "library/nginx"}}, ["nginx:1.0"]),
    ("hub", {"push_data": {}, "repository": {"repo_name": "nginx"}}, ["nginx:latest"]),
    ("ghcr", ghcr(), ["ghcr.io/acme/web:2.1"]),
    ("ghcr", ghcr("package", "updated"), ["ghcr.io/acme/web:2.1"]),
    ("ghcr", ghcr(action="deleted"), []),
    ("ghcr", ghcr(kind="npm"), []),
    ("ghcr", {"zen": "Keep it logically awesome.", "hook_id": 1, "hook": {"events": ["package"]}}, []),
    ("harbor", harbor("hub.acme.example/team/web:1.0"), ["hub.acme.example/team/web:1.0"]),
    ("harbor", harbor("hub.acme.example:8443/team/web:1.0"), ["hub.acme.example:8443/team/web:1.0"]),
    ("harbor", harbor("hub.acme.example/team/web@sha256:0", tag="2.0"), ["hub.acme.example/team/web:2.0"]),
    ("harbor", harbor("hub.acme.example/team/web:1.0", "DELETE_ARTIFACT"), []),
    (
        "harbor",
        {"type": "harbor.artifact.pushed", "data": harbor("h.example/t/web:3", tag=None)["event_data"]},
        ["h.example/t/web:3"],
    ),
    (
        "quay",
        {"docker_url": "quay.io/acme/web", "repository": "acme/web", "updated_tags": ["1.0", "latest"]},
        ["quay.io/acme/web:1.0", "quay.io/acme/web:latest"],
    ),
    ("acr", acr(), ["acme.azurecr.io/team/web:v1"]),
    ("acr", acr("delete"), []),
    ("acr", {"id": "1", "timestamp": "2026-03-18T11:59:00Z", "action": "ping", "request": {"id": "2"}}, []),
    ("ecr", ecr(), ["123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/web:1.2"]),
    ("ecr", ecr(region="cn-north-1"), ["123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/team/web:1.2"]),
    ("ecr", ecr(action="DELETE"), []),
    ("ecr", ecr(result="FAILURE"), []),
    ("hub", {"push_data": {"tag": "sha256-abc.sig"}, "repository": {"repo_name": "acme/web"}}, []),
    ("hub", {"push_data": {"tag": "../../x"}, "repository": {"repo_name": "acme/web"}}, []),
]


@pytest.mark.parametrize(("provider", "body", "images"), PUSHES)
def test_every_dialect_names_the_images_that_were_pushed(provider: str, body: object, images: list[str]) -> None:
    push = read_push(body)
    assert (push.provider, [image.familiar for image in push.images]) == (provider, images)


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        None,
        "push",
        {"zen": "Keep it logically awesome."},
        {"push_data": {"tag": "1"}},
        {"push_data": None, "repository": {"repo_name": "acme/web"}},
        {"event_data": {}, "type": "PUSH_ARTIFACT"},
        {"docker_url": "quay.io/acme/web"},
        {"target": {}, "request": {}},
        {"source": "aws.ecr"},
        {"registry_package": {"ecosystem": "container"}, "action": "published"},
    ],
)
def test_what_is_no_registrys_word_is_refused(body: object) -> None:
    with pytest.raises(Invalid):
        read_push(body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = ("push_data", "repository", "package", "event_data", "docker_url", "source", "target", "request", "type")


@given(st.dictionaries(st.sampled_from(MEMBERS), JSON | st.sampled_from(["aws.ecr", "harbor.x"])))
def test_no_body_does_anything_but_be_read_or_refused(body: dict[str, Any]) -> None:
    try:
        push = read_push(body)
    except Invalid:
        return
    assert len(push.images) <= 100


def test_a_body_that_names_very_many_images_is_cut_short() -> None:
    tags = [f"1.{number}" for number in range(5000)]
    assert len(read_push({"docker_url": "quay.io/a/b", "repository": "a/b", "updated_tags": tags}).images) == 100


NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
TOLD = "2026-11-23T11:30:00.123456789Z"
SECONDS = int(datetime(2026, 11, 23, 11, 30, tzinfo=UTC).timestamp())
HARBOR_EVENT = {"type": "harbor.artifact.pushed", "data": {"resources": []}}


@pytest.mark.parametrize(
    "body",
    [
        {"push_data": {"tag": "1", "pushed_at": SECONDS}, "repository": {"repo_name": "acme/web"}},
        harbor("h.example/t/web:1") | {"occur_at": SECONDS},
        HARBOR_EVENT | {"time": TOLD},
        acr() | {"timestamp": TOLD},
        ecr() | {"time": "2026-11-23T11:30:00Z"},
    ],
)
def test_news_that_tell_their_time_grow_old(body: dict[str, Any]) -> None:
    push = read_push(body)
    assert push.once and push.told_at is not None
    assert not push.old(NOW) and not push.old(NOW - timedelta(minutes=40)) and push.old(NOW + timedelta(minutes=31))


def test_the_time_of_a_package_is_not_that_of_its_news() -> None:
    body = ghcr()
    assert not read_push(body).once
    body["registry_package"]["package_version"]["updated_at"] = "2020-01-01T00:00:00Z"
    assert read_push(body).once and not read_push(body).old(NOW)


@pytest.mark.parametrize("told", [None, True, "yesterday", 1e300, -1e300, float("nan"), [], {}])
def test_news_without_a_time_one_can_read_are_news_each_time(told: object) -> None:
    push = read_push({"push_data": {"tag": "1", "pushed_at": told}, "repository": {"repo_name": "acme/web"}})
    assert not push.once and not push.old(NOW)


def test_another_tag_of_the_same_repository_is_of_interest_and_another_registry_is_not() -> None:
    pushed = Reference.parse("ghcr.io/acme/web:2.0")
    assert concerns(pushed, Reference.parse("ghcr.io/acme/web:1.0"))
    assert not concerns(pushed, Reference.parse("acme/web:1.0"))
    assert not concerns(pushed, Reference.parse("ghcr.io/acme/web2:1.0"))


def test_only_the_right_signature_of_the_very_body_is_one() -> None:
    body, right = b'{"a": 1}', hmac.new(b"secret", b'{"a": 1}', hashlib.sha256).hexdigest()
    assert signed("secret", body, f"sha256={right}") and signed("secret", body, right.upper())
    for wrong in ("", "sha256=", f"sha1={right}", right[:-1], right + "0", "é" * 64):
        assert not signed("secret", body, wrong)
    assert not signed("secret", body + b" ", right) and not signed("other", body, right)
