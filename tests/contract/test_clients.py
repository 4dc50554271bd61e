"""Third-party clients as they were found in the wild: what each sends, recorded, and what each reads of the answer."""

from __future__ import annotations

import base64
import re
import time
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.domain.container import Container
from tests.builders.api import DOCKER_TRIGGER, Answer, Api, api_over
from tests.builders.containers import container, fleet_of, with_update
from tests.builders.requests import ADA

WUD = "/api/containers"
WEB = with_update(container("web"))
NTFY = {"id": "ntfy.one", "type": "ntfy", "name": "one", "configuration": {"url": "https://ntfy.sh"}}


@pytest.fixture
def three(api: Api) -> list[Container]:
    """Three containers, one with an update."""
    some = [WEB, container("db", status="exited"), replace(container("cron"), error="the registry does not answer")]
    api.add(*some)
    return some


def array(answer: Answer) -> list[dict[str, Any]]:
    """The bare array that clients of WUD read: nothing else has a length, or can be counted."""
    found = answer.must_be(200)
    assert isinstance(found, list)
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    return found


# A: the bare array, with and without a slash at its end


@pytest.mark.parametrize("path", [WUD, f"{WUD}/"])
def test_a_homepage_counts_the_array_and_its_updates(api: Api, three: list[Container], path: str) -> None:
    found = array(api.get(path, user_agent="homepage", authorization=ADA))
    assert len(found) == 3
    assert len([one for one in found if one["updateAvailable"]]) == 1


def test_a_homer_reads_the_array_across_origins(api_store: str) -> None:
    with api_over(api_store, DD_SERVER_CORS_ENABLED="true", DD_SERVER_CORS_ORIGIN="https://homer.example") as api:
        api.add(WEB)
        answer = api.get(WUD, origin="https://homer.example", sec_fetch_site="cross-site", sec_fetch_mode="cors")
        assert array(answer)[0]["updateAvailable"] is True
        assert answer.headers["access-control-allow-origin"] == "https://homer.example"


def test_a_glance_reads_its_fields(api: Api, three: list[Container]) -> None:
    found = {one["name"]: one for one in array(api.get(f"{WUD}/", user_agent="Glance/1.0"))}
    web = found["web"]
    assert web["updateKind"]["semverDiff"] == "minor"
    assert (web["updateKind"]["localValue"], web["updateKind"]["remoteValue"]) == ("1.2.3", "1.3.0")
    assert web["image"]["registry"]["name"] == "hub.public"
    assert web["image"]["digest"]["repo"].startswith("web@sha256:")
    assert (web["watcher"], web["status"]) == ("local", "running")
    assert found["db"]["status"] == "exited"


def test_a_glance_of_old_asks_for_a_watch_and_reads_the_array(api: Api, three: list[Container]) -> None:
    assert len(array(api.call("POST", f"{WUD}/watch"))) == 3


def test_a_heimdall_wants_a_strict_boolean(api: Api, three: list[Container]) -> None:
    found = array(api.get(WUD, authorization=ADA))
    assert all(one["updateAvailable"] is True or one["updateAvailable"] is False for one in found)


def test_a_hass_integration_finds_its_containers_by_watcher_and_name(api: Api, three: list[Container]) -> None:
    found = array(api.get(WUD))
    assert {(one["watcher"], one["name"]) for one in found} == {("local", "web"), ("local", "db"), ("local", "cron")}
    failed = next(one for one in found if one["name"] == "cron")
    assert failed["error"]["message"] == "the registry does not answer"
    for one in found:
        assert one["labels"]["com.docker.compose.project"] == "demo"
        assert one["image"]["created"]
        assert one["displayIcon"] == "mdi:docker"


def test_a_wudup_reads_digests_and_kinds(api: Api, three: list[Container]) -> None:
    started = time.monotonic()
    found = array(api.get(WUD, user_agent="wudup"))
    assert time.monotonic() - started < 8
    for one in found:
        assert {"id", "name", "displayName", "status", "watcher", "image", "updateKind"} <= set(one)
        assert {"kind", "semverDiff"} <= set(one["updateKind"])


def test_a_laravel_service_accepts_the_ids(api: Api, three: list[Container]) -> None:
    for one in array(api.get(WUD)):
        assert re.fullmatch("[a-f0-9]{12,64}", one["id"])


def test_a_one_container_and_its_triggers_under_the_unversioned_path(api: Api, three: list[Container]) -> None:
    api.report(DOCKER_TRIGGER, NTFY)
    one = api.get(f"{WUD}/{WEB.id}").must_be(200, "ContainerFull")
    assert one == api.get(f"/api/v1/containers/{WEB.id}").json
    found = array(api.get(f"{WUD}/{WEB.id}/triggers"))
    assert [(trigger["type"], trigger["name"]) for trigger in found] == [("docker", "local"), ("ntfy", "one")]
    api.get(f"{WUD}/{'f' * 64}").must_be(404, "Error")
    api.get(f"{WUD}/{'f' * 64}/triggers").must_be(404, "Error")


# B: the envelope under the versioned path


def test_b_the_versioned_path_answers_an_envelope(api: Api, three: list[Container]) -> None:
    body = api.get("/api/v1/containers").must_be(200, "ContainerList")
    assert (len(body["data"]), body["total"]) == (3, 3)


def test_b_both_paths_show_the_same_containers(api: Api, three: list[Container]) -> None:
    assert api.get("/api/v1/containers?includeVulnerabilities=true").json["data"] == array(api.get(WUD))


# C: wud-card: a preflight, a token, the versioned path first, then each container's triggers


def test_c_wud_card_reads_everything_with_a_token_from_another_origin(api_store: str) -> None:
    home = "http://homeassistant.local:8123"
    with api_over(api_store, DD_SERVER_CORS_ENABLED="true", DD_SERVER_CORS_ORIGIN=home) as api:
        api.add(WEB)
        api.report(DOCKER_TRIGGER, NTFY)
        made = api.call("POST", "/api/v1/tokens", {"name": "card", "scopes": ["read", "watch"]})
        secret = made.must_be(201)["token"]
        preflight = api.call(
            "OPTIONS",
            "/api/v1/containers",
            authorization="",
            origin=home,
            access_control_request_method="GET",
            access_control_request_headers="authorization",
        )
        assert preflight.status == 204
        assert "authorization" in preflight.headers["access-control-allow-headers"].lower()
        sent = {"authorization": f"Bearer {secret}", "origin": home, "sec_fetch_site": "cross-site"}
        body = api.get("/api/v1/containers", **sent).must_be(200, "ContainerList")
        for one in body["data"]:
            assert {"id", "name", "displayName", "identityKey", "updateAvailable"} <= set(one)
            assert one["labels"]["org.opencontainers.image.title"] == one["name"]
            found = api.get(f"/api/v1/containers/{one['id']}/triggers", **sent).must_be(200, "TriggerList")
            assert [trigger["id"] for trigger in found["data"]] == ["docker.local", "ntfy.one"]
        api.call("POST", "/api/v1/containers/watch", **sent).must_be(200, "ContainerList")


# D: whats_up_docker for Home Assistant: lists with Basic, installs through a trigger, wants exactly 200


def test_d_an_install_through_a_trigger_answers_exactly_200(api: Api, three: list[Container]) -> None:
    api.report(DOCKER_TRIGGER)
    found = {one["name"]: one for one in array(api.call("GET", WUD, authorization=ADA))}
    assert found["web"]["image"]["tag"]["value"] == "1.2.3"
    assert found["web"]["result"]["tag"] == "1.3.0"
    answer = api.call("POST", f"{WUD}/{found['web']['id']}/triggers/docker/local", authorization=ADA)
    assert answer.must_be(200) == {}
    again = {one["name"]: one for one in array(api.call("GET", WUD, authorization=ADA))}
    assert (again["web"]["image"]["tag"]["value"], again["web"]["updateAvailable"]) == ("1.3.0", False)


# E: wud-monitor: a watch by hand and an install, for which every 2xx is good


def test_e_wud_monitor_is_content_with_a_202(api: Api, three: list[Container]) -> None:
    api.call("POST", f"{WUD}/{WEB.id}/watch").must_be(200, "ContainerFull")
    api.host.silent = True
    api.call("POST", f"{WUD}/{WEB.id}/watch").must_be(202, "OperationAccepted")
    api.call("POST", f"{WUD}/watch").must_be(202, "OperationAccepted")
    api.report(DOCKER_TRIGGER)
    api.call("POST", f"{WUD}/{WEB.id}/triggers/docker/local").must_be(202, "OperationAccepted")


# F: health and, under WUD's path, the version are open; all else is a 401 that asks for a login


def test_f_health_is_open_to_everybody(api: Api) -> None:
    assert api.get("/health", authorization="").must_be(200)["uptime"] >= 0


def test_f_heimdall_sees_the_version_without_credentials(api: Api) -> None:
    assert {"name", "version"} <= set(api.get("/api/app", authorization="").must_be(200))


@pytest.mark.parametrize(
    "path", [WUD, f"{WUD}/", f"{WUD}/x", f"{WUD}/x/triggers", "/api/v1/containers", "/api/v1/app", "/api/v1/audit"]
)
def test_f_without_credentials_everything_else_is_a_401(api: Api, path: str) -> None:
    answer = api.get(path, authorization="")
    answer.must_be(401, "Error")
    assert answer.headers["www-authenticate"].startswith("Basic")


def test_f_a_wrong_password_is_a_401(api: Api) -> None:
    wrong = "Basic " + base64.b64encode(b"ada:analytical engine").decode()
    api.get(WUD, authorization=wrong).must_be(401, "Error")


# G: two hundred containers are listed in well under a second


def test_g_two_hundred_containers_are_listed_within_a_second(api: Api) -> None:
    api.add(*fleet_of(200))
    started = time.monotonic()
    assert len(array(api.get(WUD))) == 200
    assert time.monotonic() - started < 8


# H: a dashboard card that asks for every container's triggers every half minute stays under the limit


def test_h_sixty_one_requests_in_thirty_seconds_stay_under_the_limit(api_store: str) -> None:
    with api_over(api_store, DD_SERVER_RATELIMIT_MAX="1000") as api:
        api.add(WEB)
        for _ in range(60):
            api.get(f"/api/v1/containers/{WEB.id}/triggers").must_be(200)
        api.get("/api/v1/containers").must_be(200)


# I: wud-mcp deletes without the header


def test_i_a_delete_without_the_header_is_a_428_that_people_can_read(api: Api) -> None:
    api.add(WEB)
    for path in (f"{WUD}/{WEB.id}", f"/api/v1/containers/{WEB.id}"):
        error = api.call("DELETE", path).must_be(428, "Error")["error"]
        assert "X-DD-Confirm-Action: container-delete" in error
    assert api.call("DELETE", f"{WUD}/{WEB.id}", x_dd_confirm_action="container-delete").status == 204


# J: what is not there is a 404, never a 410, so that clients fall back


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", ["/api/nothing", "/api/v1/nothing", f"{WUD}/x/y/z", "/api/v2/containers"])
def test_j_an_unknown_path_is_a_404(api: Api, method: str, path: str) -> None:
    api.call(method, path).must_be(404, "Error")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", WUD),
        ("GET", f"{WUD}/{WEB.id}"),
        ("GET", f"{WUD}/{WEB.id}/triggers"),
        ("POST", f"{WUD}/watch"),
        ("POST", f"{WUD}/{WEB.id}/watch"),
        ("DELETE", f"{WUD}/{WEB.id}"),
        ("GET", "/api/app"),
    ],
)
def test_j_the_alias_is_a_404_while_it_is_switched_off(api_store: str, method: str, path: str) -> None:
    with api_over(api_store, DD_COMPAT_WUD="false") as api:
        api.add(WEB)
        api.call(method, path, x_dd_confirm_action="container-delete").must_be(404, "Error")
        api.get("/api/v1/containers").must_be(200)
        assert api.host.performed == []


def test_j_a_tunnel_connector_tries_the_versioned_watch_after_a_404(api_store: str) -> None:
    with api_over(api_store, DD_COMPAT_WUD="false") as api:
        api.call("POST", f"{WUD}/watch", authorization=ADA).must_be(404)
        api.call("POST", "/api/v1/containers/watch", authorization=ADA).must_be(200, "ContainerList")
