"""What the API says of itself: components, agents, metrics; over a real store."""

from __future__ import annotations

import logging
import re
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.bootstrap import Services
from chalicelib.domain.agent import Agent
from chalicelib.domain.audit import AuditEntry
from chalicelib.domain.container import Identity
from chalicelib.wire import schemas
from chalicelib.wire.log_ring import RING
from tests.builders.api import DOCKER_TRIGGER, Api, api_over
from tests.builders.containers import NOW, container
from tests.fakes.looking_host import LookingHost

WATCHERS = {"local": {"cron": "0 * * * *", "engine": "unix:///var/run/docker.sock"}}
REGISTRIES = [
    {"type": "hub", "name": "public", "configuration": {"anonymous": True}},
    {"type": "custom", "name": "home", "configuration": {"url": "https://ada:pw@r.test", "password": "pw"}},
]


@pytest.fixture
def fleet(api: Api) -> Api:
    """Two agents: the local one with three containers, and `nas`, whose engine cannot be reached."""
    facts: dict[str, Any] = {"registries": REGISTRIES, "triggers": [DOCKER_TRIGGER], "host": "box", "cpus": 4}
    facts |= {"memoryGb": 7.8, "startedAt": (NOW - timedelta(minutes=2)).isoformat()}
    api.services.agents.report(Agent("local", watchers=WATCHERS, facts=facts), NOW)
    broken = {"attic": {"cron": "0 * * * *", "engine": "tcp://attic:2375", "error": "connection refused"}}
    api.services.agents.report(Agent("nas", watchers=broken, facts={"version": "0.1.0"}), NOW.replace(year=2020))
    api.add(container("web"), container("db"), container("old", status="exited"))
    return api


SERIES = (
    "dd_containers",
    "dd_trigger_count",
    "dd_registry_response",
    "dd_watcher_total",
    "dd_audit_entries_total",
    "dd_container_actions_total",
    "dd_webhook_total",
    "dd_trigger_rollback_total",
    "dd_auth_login_total",
    "dd_auth_account_locked_total",
    "dd_auth_ip_locked_total",
)


def started(api: Api) -> int:
    """How many starts of containers `/metrics` has counted."""
    (line,) = samples(api.get("/metrics").body.decode(), "dd_container_actions_total") or ["0"]
    return round(float(line.rpartition(" ")[2]))


def samples(text: str, name: str) -> list[str]:
    return [line for line in text.splitlines() if re.match(rf"{name}(\{{| )", line)]


class TestComponents:
    """Watchers, registries, ways to log in."""

    def test_watchers_are_listed_with_counts_of_their_containers(self, fleet: Api) -> None:
        body = fleet.get("/api/v1/watchers").must_be(200)
        schemas.check("ComponentList", body)
        assert [(one["id"], one.get("agent")) for one in body["data"]] == [
            ("nas.docker.attic", "nas"),
            ("docker.local", None),
        ]
        attic, local = body["data"]
        assert attic["metadata"]["error"] == "connection refused"
        assert local["metadata"]["stats"] == {"total": 3, "running": 2, "stopped": 1, "images": 3}
        assert local["configuration"] == WATCHERS["local"]
        assert (body["total"], body["limit"], body["offset"], body["hasMore"]) == (2, 0, 0, False)

    def test_a_page_of_them(self, fleet: Api) -> None:
        body = fleet.get("/api/v1/watchers?limit=1").must_be(200)
        assert [one["name"] for one in body["data"]] == ["attic"]
        assert body["hasMore"]
        assert body["_links"]["next"] == "/api/v1/watchers?limit=1&offset=1"
        rest = fleet.get(body["_links"]["next"]).must_be(200)
        assert [one["name"] for one in rest["data"]] == ["local"]
        assert not rest["hasMore"]

    def test_one_of_them_by_type_name_and_agent(self, fleet: Api) -> None:
        assert fleet.get("/api/v1/watchers/docker/local").must_be(200)["id"] == "docker.local"
        assert fleet.get("/api/v1/watchers/docker/attic/nas").must_be(200)["id"] == "nas.docker.attic"
        for unknown in ("docker/attic", "docker/local/nas", "podman/local", "docker/none"):
            fleet.get(f"/api/v1/watchers/{unknown}").must_be(404)

    def test_registries_never_show_a_secret(self, fleet: Api) -> None:
        answer = fleet.get("/api/v1/registries")
        schemas.check("ComponentList", answer.must_be(200))
        assert [one["id"] for one in answer.json["data"]] == ["custom.home", "hub.public"]
        assert b"pw" not in answer.body
        assert answer.json["data"][0]["configuration"] == {"url": "https://***@r.test", "password": "***"}

    def test_ways_to_log_in(self, fleet: Api) -> None:
        body = fleet.get("/api/v1/authentications").must_be(200)
        assert [one["id"] for one in body["data"]] == ["basic.Login"]
        assert fleet.get("/api/v1/authentications/basic/Login").must_be(200)["type"] == "basic"

    @pytest.mark.parametrize("noun", ["watchers", "registries", "triggers"])
    def test_wuds_clients_find_them_in_bare_arrays(self, fleet: Api, noun: str) -> None:
        body = fleet.get(f"/api/{noun}").must_be(200)
        schemas.check("Components", body)
        assert body
        local = next(one for one in body if "agent" not in one)
        assert fleet.get(f"/api/{noun}/{local['type']}/{local['name']}").must_be(200) == local
        fleet.get(f"/api/{noun}/none/none").must_be(404)

    def test_wuds_paths_can_be_switched_off(self, api_store: str) -> None:
        with api_over(api_store, DD_COMPAT_WUD="false") as api:
            for path in ("watchers", "registries", "triggers", "store", "log", "app"):
                api.get(f"/api/{path}").must_be(404)


class TestServer:
    """The server itself."""

    def test_agents_are_listed_connected_or_not(self, fleet: Api) -> None:
        body = fleet.get("/api/v1/agents").must_be(200)
        schemas.check("AgentList", body)
        local, nas = body["data"]
        assert (local["name"], local["connected"], local["host"], local["cpus"]) == ("local", True, "box", 4)
        assert local["containers"] == {"total": 3, "running": 2, "stopped": 1}
        assert (local["memoryGb"], local["uptimeSeconds"]) == (7.8, 120)
        assert (nas["name"], nas["connected"], nas["version"]) == ("nas", False, "0.1.0")
        assert body["total"] == 2

    def test_its_settings_are_shown_without_secrets(self, api_store: str) -> None:
        secrets = {"DD_SERVER_METRICS_TOKEN": "metrics-secret-1234", "DD_SESSION_SECRET": "session-secret-1234"}
        with api_over(api_store, DD_SERVER_FEATURE_DELETE="false", **secrets) as api:
            answer = api.get("/api/v1/server")
            schemas.check("Server", answer.must_be(200))
            features = answer.json["configuration"]["feature"]
            assert features == {"containeractions": True, "delete": False, "webhook": False}
            assert b"secret" not in answer.body

    def test_store_and_log(self, api: Api) -> None:
        for path in ("/api/v1/store", "/api/store"):
            schemas.check("Store", api.get(path).must_be(200))
        for path in ("/api/v1/log", "/api/log"):
            assert api.get(path).must_be(200) == {"level": "info"}

    def test_wuds_app_is_open_and_ours_is_not(self, api: Api) -> None:
        assert api.get("/api/app", authorization="").must_be(200)["name"] == "slipway"
        api.get("/api/v1/app", authorization="").must_be(401)


class TestMetrics:
    """Prometheus."""

    def test_each_container_is_a_gauge_with_its_facts_as_labels(self, fleet: Api) -> None:
        answer = fleet.get("/metrics")
        assert answer.status == 200
        assert answer.headers["content-type"].startswith("text/plain")
        lines = samples(answer.body.decode(), "dd_containers")
        assert len(lines) == 3
        web = next(line for line in lines if 'name="web"' in line)
        assert web.endswith("} 1.0")
        for label in ("id", "watcher", "status", "image_name", "image_tag_value", "image_registry_name"):
            assert re.search(rf'[{{,]{label}="[^"]+"', web), label
        assert 'update_available="' in web
        assert "details_" not in web
        assert "labels_" not in web

    def test_watchers_are_counted(self, fleet: Api) -> None:
        lines = samples(fleet.get("/metrics").body.decode(), "dd_watcher_total")
        assert lines == [
            'dd_watcher_total{agent="nas",name="attic",type="docker"} 1.0',
            'dd_watcher_total{name="local",type="docker"} 1.0',
        ]

    def test_what_was_done_is_counted_once_however_often_it_is_asked(self, fleet: Api) -> None:
        fleet.services.started_at = NOW
        for number, action in enumerate(("container-start", "container-start", "update-available")):
            row = AuditEntry(
                f"row-{number}", NOW, action, "success", Identity("local", "local", "web"), trigger="docker.local"
            )
            fleet.services.audit.add([row])
        for _ in range(3):
            text = fleet.get("/metrics").body.decode()
            assert 'dd_audit_entries_total{action="container-start"} 2.0' in text
            assert samples(text, "dd_container_actions_total") == [
                'dd_container_actions_total{action="container-start"} 2.0'
            ]
            assert 'dd_trigger_count{name="local",status="success",type="docker"} 3.0' in text

    def test_every_instance_counts_the_same_and_none_starts_anew(self, fleet: Api) -> None:
        web = Identity("local", "local", "web")
        add = fleet.services.audit.add
        add([AuditEntry(f"a{number}", NOW, "container-start", "success", web) for number in range(3)])
        assert started(fleet) == 3
        # An hour later these rows are in the kept tally; what came meanwhile is added to it once.
        fleet.services.clock.sleep(3600)
        later = fleet.services.clock.now()
        assert started(fleet) == 3
        add([AuditEntry("b", later, "container-start", "success", web)])
        other = Services(fleet.services.settings)
        other.clock = fleet.services.clock
        for key in ("tables", "accounts", "passwords"):
            vars(other)[key] = getattr(fleet.services, key)
        assert [started(fleet), started(Api(other, fleet.host)), started(fleet)] == [4, 4, 4]

    def test_rows_that_are_gone_from_the_log_still_count(self, fleet: Api) -> None:
        web = Identity("local", "local", "web")
        fleet.services.audit.add([AuditEntry("old", NOW, "container-start", "success", web)])
        fleet.services.clock.sleep(3600)
        assert started(fleet) == 1
        fleet.services.clock.sleep(40 * 86_400)
        assert started(fleet) == 1

    def test_a_row_that_arrives_late_is_counted_once(self, fleet: Api) -> None:
        web = Identity("local", "local", "web")
        fleet.services.clock.sleep(600)
        assert started(fleet) == 0
        late = fleet.services.clock.now() - timedelta(minutes=4)
        fleet.services.audit.add([AuditEntry("late", late, "container-start", "success", web)])
        assert started(fleet) == 1
        fleet.services.clock.sleep(3600)
        assert [started(fleet), started(fleet)] == [1, 1]

    def test_scrapes_write_once_a_minute_at_most(self, fleet: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        from chalicelib.adapters.dynamo.tally import DynamoTallies

        written: list[int] = []
        put = DynamoTallies.put
        monkeypatch.setattr(DynamoTallies, "put", lambda *given: written.append(1) or put(*given))
        for _ in range(8):
            started(fleet)
            fleet.services.clock.sleep(15)
        assert len(written) == 2

    def test_answers_of_registries_are_summed_over_agents(self, fleet: Api) -> None:
        reports = {"local": {"hub.public": [3, 1.5], "custom.home": [1, 0.25]}, "nas": {"hub.public": [2, 0.5]}}
        for name, responses in reports.items():
            fleet.services.agents.report(Agent(name, facts={"responses": responses}), NOW)
        text = fleet.get("/metrics").body.decode()
        assert samples(text, "dd_registry_response_count") == [
            'dd_registry_response_count{name="home",type="custom"} 1.0',
            'dd_registry_response_count{name="public",type="hub"} 5.0',
        ]
        assert 'dd_registry_response_sum{name="public",type="hub"} 2.0' in text
        assert "# TYPE dd_registry_response summary" in text

    def test_webhooks_and_rollbacks_are_counted(self, fleet: Api) -> None:
        web = Identity("local", "local", "web")
        rows = [
            AuditEntry("w1", NOW, "webhook-watch", "success", web),
            AuditEntry("w2", NOW, "webhook-watch", "error", web),
            AuditEntry("w3", NOW, "webhook-update", "success", web),
            AuditEntry("r1", NOW, "rollback", "success", web, trigger="docker.local", code="health_gate_failed"),
            AuditEntry("r2", NOW, "rollback", "success", web, trigger="nas.docker.local"),
        ]
        for row in rows:
            fleet.services.audit.add([row])
        text = fleet.get("/metrics").body.decode()
        assert samples(text, "dd_webhook_total") == [
            'dd_webhook_total{action="webhook-update"} 1.0',
            'dd_webhook_total{action="webhook-watch"} 2.0',
        ]
        assert samples(text, "dd_trigger_rollback_total") == [
            'dd_trigger_rollback_total{name="local",outcome="success",reason="health_gate_failed",type="docker"} 1.0',
            'dd_trigger_rollback_total{name="local",outcome="success",reason="manual",type="docker"} 1.0',
        ]

    def test_log_ins_and_locks_are_counted(self, fleet: Api) -> None:
        right, wrong = ({"username": "ada", "password": word} for word in ("difference engine", "guess"))
        answer = fleet.call("POST", "/auth/login", right, authorization="")
        answer.must_be(200)
        for _ in range(5):
            fleet.call("POST", "/auth/login", wrong, authorization="").must_be(401)
        fleet.call("POST", "/auth/login", wrong, authorization="").must_be(423)
        cookie = answer.headers["set-cookie"].partition(";")[0]
        text = fleet.get("/metrics", authorization="", cookie=cookie).body.decode()
        assert samples(text, "dd_auth_login_total") == [
            'dd_auth_login_total{outcome="error",provider="basic"} 5.0',
            'dd_auth_login_total{outcome="success",provider="basic"} 1.0',
        ]
        assert samples(text, "dd_auth_account_locked_total") == ["dd_auth_account_locked_total 1.0"]
        assert samples(text, "dd_auth_ip_locked_total") == ["dd_auth_ip_locked_total 0.0"]

    def test_every_series_of_the_reference_is_there_from_the_first_scrape(self, api: Api) -> None:
        text = api.get("/metrics").body.decode()
        for name in SERIES:
            assert f"# HELP {name} " in text or f"# HELP {name.removesuffix('_total')} " in text, name

    def test_the_process_speaks_for_itself(self, api: Api) -> None:
        text = api.get("/metrics").body.decode()
        for name in ("process_cpu_seconds_total", "process_resident_memory_bytes", "python_info"):
            assert samples(text, name)

    def test_it_asks_for_a_log_in_by_default(self, api: Api) -> None:
        api.get("/metrics", authorization="").must_be(401)
        assert api.get("/metrics").status == 200

    def test_it_asks_for_its_own_token_where_there_is_one(self, api_store: str) -> None:
        with api_over(api_store, DD_SERVER_METRICS_TOKEN="a-token-of-16-chars") as api:
            assert api.get("/metrics", authorization="Bearer a-token-of-16-chars").status == 200
            for wrong in ("", "Bearer a-token-of-16-char", "Basic a-token-of-16-chars", "Bearer ä"):
                api.get("/metrics", authorization=wrong).must_be(401)
            api.get("/metrics").must_be(401)

    def test_it_can_be_open_to_all(self, api_store: str) -> None:
        with api_over(api_store, DD_SERVER_METRICS_AUTH="false") as api:
            assert api.get("/metrics", authorization="").status == 200


def test_the_components_of_the_log_are_those_of_the_server_and_of_every_executor(api: Api) -> None:
    vars(api.services)["queue"] = LookingHost(api.services)
    RING.handle(logging.LogRecord("slipway.components", logging.INFO, "", 0, "a line", None, None))
    found = api.get("/api/v1/log/components").must_be(200)
    schemas.check("LogComponentList", found)
    assert {"components", "local.components"} <= set(found)
    assert found == sorted(set(found))
