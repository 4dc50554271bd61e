"""Walks the contract, section by section: what is told about containers besides themselves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.domain.audit import SERVER, AuditEntry
from chalicelib.domain.backup import Backup
from chalicelib.domain.container import Container, Identity, Wishes
from chalicelib.domain.errors import NotFound
from tests.builders.api import DOCKER_TRIGGER, Api, api_over, conform
from tests.builders.containers import NOW, container, with_update
from tests.fakes.forge import Forge, running_forge

LIST = "/api/v1/containers"
AUDIT = "/api/v1/audit"
NOBODY = "f" * 64
WEB = with_update(container("web"))
NTFY = {
    "id": "ntfy.one",
    "type": "ntfy",
    "name": "one",
    "configuration": {
        "topic": "235ef38e",
        "url": "https://ntfy.sh",
        "threshold": "major",
        "auth": {"user": "ada", "password": "p4ss"},
        "once": True,
    },
}
SLACK = {"id": "slack.team", "type": "slack", "name": "team", "configuration": {"url": "https://hooks.example/T/B/x"}}


def path(one: Container, rest: str = "") -> str:
    return f"{LIST}/{one.id}{rest}"


def with_wishes(one: Container, **wishes: str) -> Container:
    return replace(one, wishes=Wishes(**wishes))


# Get all triggers associated to the container


def triggers(api: Api, one: Container) -> dict[str, dict[str, Any]]:
    """The configurations by trigger id, in the order of the answer."""
    body = api.get(path(one, "/triggers")).must_be(200, "TriggerList")
    assert body["total"] == len(body["data"])
    return {trigger["id"]: trigger["configuration"] for trigger in body["data"]}


def test_triggers_are_listed_by_type_and_name(api: Api) -> None:
    api.add(WEB)
    api.report(SLACK, NTFY, {**NTFY, "id": "ntfy.a", "name": "a"}, DOCKER_TRIGGER)
    assert list(triggers(api, WEB)) == ["docker.local", "ntfy.a", "ntfy.one", "slack.team"]


def test_a_plain_server_url_is_shown_and_secrets_are_masked(api: Api) -> None:
    api.add(WEB)
    api.report(NTFY, SLACK, DOCKER_TRIGGER)
    shown = triggers(api, WEB)
    assert shown["ntfy.one"] == {
        "topic": "235ef38e",
        "url": "https://ntfy.sh",
        "threshold": "major",
        "auth": {"user": "ada", "password": "***"},
        "once": True,
    }
    assert shown["slack.team"] == {"url": "***"}
    assert shown["docker.local"] == {"prune": False}


INCLUDES: dict[str, tuple[dict[str, str], dict[str, str | None]]] = {
    "nothing said": ({}, {"docker.local": None, "ntfy.one": "major", "slack.team": None}),
    "one by name": ({"trigger_include": "one"}, {"ntfy.one": "all"}),
    "one by type and name": ({"trigger_include": "NTFY.One"}, {"ntfy.one": "all"}),
    "with a threshold": (
        {"trigger_include": "ntfy.one:minor , slack.team"},
        {"ntfy.one": "minor", "slack.team": "all"},
    ),
    "with an unknown threshold": ({"trigger_include": "ntfy.one:huge"}, {"ntfy.one": "all"}),
    "with too many colons": ({"trigger_include": "ntfy.one:minor:patch"}, {"ntfy.one": "all"}),
    "one that is not there": ({"trigger_include": "smtp.one"}, {}),
    "some excluded": ({"trigger_exclude": "ntfy.one,local"}, {"slack.team": None}),
    "included and excluded": ({"trigger_include": "one,team", "trigger_exclude": "slack.team"}, {"ntfy.one": "all"}),
}


@pytest.mark.parametrize("case", INCLUDES)
def test_labels_choose_triggers_and_thresholds(api: Api, case: str) -> None:
    wishes, expected = INCLUDES[case]
    one = with_wishes(WEB, **wishes)
    api.add(one)
    api.report(NTFY, SLACK, DOCKER_TRIGGER)
    assert {name: shown.get("threshold") for name, shown in triggers(api, one).items()} == expected


def test_triggers_of_an_agent_serve_its_containers_alone_and_carry_its_name(api: Api) -> None:
    there = container("web", agent="edge")
    api.add(there, WEB)
    api.report(NTFY, agent="edge")
    body = api.get(path(there, "/triggers")).must_be(200, "TriggerList")
    assert [(one["id"], one["agent"]) for one in body["data"]] == [("edge.ntfy.one", "edge")]
    assert list(triggers(api, WEB)) == ["docker.local"]


def test_triggers_of_an_unknown_container_are_a_404(api: Api) -> None:
    api.get(f"{LIST}/{NOBODY}/triggers").must_be(404, "Error")


# Reveal container environment variables


def reveal(api: Api, one: Container = WEB) -> Any:
    return api.call("POST", path(one, "/env/reveal"))


def test_revealing_answers_the_true_values_in_their_order(api: Api) -> None:
    api.add(WEB, web={"TZ": "America/New_York", "DATABASE_PASSWORD": "s3cret=x", "EMPTY": ""})
    body = reveal(api).must_be(200, "EnvReveal")
    assert body == {
        "env": [
            {"key": "TZ", "value": "America/New_York", "sensitive": False},
            {"key": "DATABASE_PASSWORD", "value": "s3cret=x", "sensitive": True},
            {"key": "EMPTY", "value": "", "sensitive": False},
        ]
    }


def test_nothing_revealed_stays_in_the_store_or_in_the_audit_log(api: Api) -> None:
    api.add(WEB, web={"API_TOKEN": "s3cret-token-value", "USER_PASS": "s3cret-pass-value", "TZ": "UTC"})
    reveal(api).must_be(200)
    client, tables = api.services.tables.client, api.services.tables
    stored = b"".join(
        repr(client.scan(TableName=name)["Items"]).encode()
        for name in client.list_tables()["TableNames"]
        if name.startswith(tables.prefix)
    )
    assert b"s3cret-token" not in stored
    assert b"s3cret-pass" not in stored
    assert api.services.commands.get("local", api.host.performed[0].id) is None
    (entry,) = api.get(f"{AUDIT}?action=env-reveal").must_be(200)["data"]
    assert (entry["status"], entry["containerName"], entry["containerImage"]) == ("info", "web", "library/web")
    assert "2 sensitive" in entry["details"]
    assert "TOKEN" not in entry["details"]


def test_a_container_without_environment_reveals_an_empty_list(api: Api) -> None:
    api.add(WEB)
    assert reveal(api).must_be(200, "EnvReveal") == {"env": []}


def test_revealing_an_unknown_container_is_a_404(api: Api) -> None:
    api.call("POST", f"{LIST}/{NOBODY}/env/reveal").must_be(404, "Error")


def test_revealing_what_is_gone_from_its_host_is_a_404_without_a_row(api: Api) -> None:
    api.add(WEB)
    api.host.failure = NotFound("web is gone from its host")
    reveal(api).must_be(404, "Error")
    assert api.get(f"{AUDIT}?action=env-reveal").json["total"] == 0


def test_a_host_that_does_not_answer_is_a_500_and_cannot_answer_later(api: Api) -> None:
    api.add(WEB, web={"A": "1"})
    api.host.silent = True
    reveal(api).must_be(500, "Error")
    assert api.services.commands.waiting("local", api.services.clock.now()) == []


def test_revealing_is_limited_to_ten_a_minute_whatever_the_container(api: Api) -> None:
    api.add(WEB)
    for _ in range(5):
        reveal(api).must_be(200)
        api.call("POST", f"{LIST}/{NOBODY}/env/reveal").must_be(404)
    answer = reveal(api)
    answer.must_be(429, "Error")
    assert int(answer.headers["retry-after"]) <= 60
    assert answer.headers["ratelimit-limit"] == "10"
    api.services.clock.sleep(30)
    api.report(DOCKER_TRIGGER)
    reveal(api).must_be(429)
    api.services.clock.sleep(31)
    api.services.agents.report(api.services.agents.all()[0], api.services.clock.now())
    reveal(api).must_be(200)


# List all backups, and those of a container


def backup(name: str, minutes: int, *, agent: str = "local") -> Backup:
    return Backup(
        id=f"{name}-{minutes}",
        identity=Identity(agent, "local", name),
        container_id="31a61a8305ef",
        image_name=f"library/{name}",
        image_tag="1.2.2",
        image_digest="sha256:1" if minutes % 2 else None,
        image_id="sha256:2",
        at=NOW - timedelta(minutes=minutes),
        trigger="docker.local",
    )


def test_backups_of_all_containers_are_newest_first(api: Api) -> None:
    api.report(agent="edge")
    for one in (backup("web", 3), backup("db", 1), backup("web", 2, agent="edge"), backup("webb", 5)):
        api.services.backups.add(one)
    body = api.get(f"{LIST}/backups").must_be(200, "BackupList")
    assert [one["id"] for one in body["data"]] == ["db-1", "web-2", "web-3", "webb-5"]
    assert body["total"] == 4
    assert body["data"][0] == {
        "id": "db-1",
        "containerId": "31a61a8305ef",
        "containerName": "db",
        "imageName": "library/db",
        "imageTag": "1.2.2",
        "imageDigest": "sha256:1",
        "timestamp": "2026-11-23T11:59:00.000Z",
        "triggerName": "docker.local",
    }
    assert "imageDigest" not in body["data"][1]


@pytest.mark.parametrize(
    ("query", "total"),
    [("containerName=web", 1), ("containerName=", 2), ("containerName=%20", 2), ("containerName=we", 0), ("x=1", 2)],
)
def test_backups_can_be_filtered_by_exact_name(api: Api, query: str, total: int) -> None:
    api.services.backups.add(backup("web", 1))
    api.services.backups.add(backup("db", 1))
    assert api.get(f"{LIST}/backups?{query}").must_be(200, "BackupList")["total"] == total


def test_backups_of_a_container_are_its_own_and_newest_first(api: Api) -> None:
    api.add(WEB)
    for one in (backup("web", 9), backup("web", 1), backup("webb", 5), backup("web", 2, agent="edge")):
        api.services.backups.add(one)
    body = api.get(path(WEB, "/backups")).must_be(200, "BackupList")
    assert [one["id"] for one in body["data"]] == ["web-1", "web-9"]


def test_backups_of_an_unknown_container_are_a_404(api: Api) -> None:
    api.get(f"{LIST}/{NOBODY}/backups").must_be(404, "Error")


# Get container release notes


@pytest.fixture
def forge() -> Iterator[Forge]:
    with running_forge() as running:
        yield running


RELEASE = {
    "name": "Release 1.3.0",
    "body": "All new.",
    "html_url": "https://git.example/acme/web/releases/tag/v1.3.0",
    "published_at": "2026-11-01T10:00:00Z",
}
NOTES = "/api/v1/repos/acme/web/releases/tags"


@pytest.fixture
def sourced(api_store: str, forge: Forge) -> Iterator[Api]:
    """An API whose settings put a forge of the name git.example on loopback."""
    settings = {"DD_RELEASE_NOTES_GITEA_OWN_URL": "https://git.example", "DD_RELEASE_NOTES_GITEA_OWN_TOKEN": "t0ken"}
    with api_over(api_store, DD_RELEASE_NOTES_GITEA_OWN_API=f"{forge.url}/api/v1", **settings) as api:
        api.add(with_wishes(WEB, source_repo="https://git.example/acme/web"))
        yield api


def test_release_notes_of_the_newer_version(sourced: Api, forge: Forge) -> None:
    forge.answers[f"{NOTES}/v1.3.0"] = (200, RELEASE)
    body = sourced.get(path(WEB, "/release-notes")).must_be(200, "ReleaseNotes")
    assert body == {
        "title": "Release 1.3.0",
        "body": "All new.",
        "url": "https://git.example/acme/web/releases/tag/v1.3.0",
        "publishedAt": "2026-11-01T10:00:00.000Z",
        "provider": "gitea",
    }
    assert [asked for asked, _ in forge.asked] == [f"{NOTES}/v1.3.0"]
    assert forge.asked[0][1]["authorization"] == "token t0ken"


def test_release_notes_are_found_without_the_leading_v_too(sourced: Api, forge: Forge) -> None:
    forge.answers[f"{NOTES}/1.3.0"] = (200, {**RELEASE, "name": None, "published_at": None})
    body = sourced.get(path(WEB, "/release-notes")).must_be(200, "ReleaseNotes")
    assert (body["title"], body["publishedAt"]) == ("1.3.0", "1970-01-01T00:00:00.000Z")


def test_release_notes_are_asked_for_once_an_hour(sourced: Api, forge: Forge) -> None:
    forge.answers[f"{NOTES}/v1.3.0"] = (200, RELEASE)
    for seconds, asked in ((0, 1), (3599, 1), (2, 2)):
        sourced.services.clock.sleep(seconds)
        sourced.get(path(WEB, "/release-notes")).must_be(200)
        assert len(forge.asked) == asked


@pytest.mark.parametrize("status", [404, 403, 429, 500])
def test_no_notes_are_a_404_that_is_remembered_for_ten_minutes(sourced: Api, forge: Forge, status: int) -> None:
    forge.answers[f"{NOTES}/v1.3.0"] = forge.answers[f"{NOTES}/1.3.0"] = (status, {"message": "no"})
    sourced.get(path(WEB, "/release-notes")).must_be(404, "Error")
    first = len(forge.asked)
    sourced.get(path(WEB, "/release-notes")).must_be(404)
    assert len(forge.asked) == first
    sourced.services.clock.sleep(601)
    sourced.get(path(WEB, "/release-notes")).must_be(404)
    assert len(forge.asked) == 2 * first


@pytest.mark.parametrize("label", ["{url}/acme/web", "{host}/acme/web", "{url}@{host}/acme/web", "git@{host}/acme/web"])
def test_a_host_that_nobody_named_is_never_asked(sourced: Api, forge: Forge, label: str) -> None:
    source = label.format(url=forge.url, host=forge.host)
    sourced.add(with_wishes(WEB, source_repo=source))
    sourced.get(path(WEB, "/release-notes")).must_be(404, "Error")
    assert forge.asked == []


def test_a_renamed_repository_is_followed_within_the_same_api_and_nowhere_else(sourced: Api, forge: Forge) -> None:
    moved = "/api/v1/repos/acme/shop/releases/tags/v1.3.0"
    forge.answers[f"{NOTES}/v1.3.0"] = (301, f"{forge.url}{moved}")
    forge.answers[moved] = (200, RELEASE)
    sourced.get(path(WEB, "/release-notes")).must_be(200, "ReleaseNotes")
    forge.answers[f"{NOTES}/v1.4.0"] = (301, f"{forge.url}/elsewhere")
    forge.answers["/elsewhere"] = (200, RELEASE)
    sourced.add(with_wishes(with_update(container("web"), tag="1.4.0"), source_repo="https://git.example/acme/web"))
    sourced.get(path(WEB, "/release-notes")).must_be(404, "Error")
    assert "/elsewhere" not in [asked for asked, _ in forge.asked]


def test_release_notes_without_a_source_say_which_label_helps(api: Api) -> None:
    api.add(WEB)
    assert "dd.source.repo" in api.get(path(WEB, "/release-notes")).must_be(404, "Error")["error"]


def test_release_notes_of_an_unknown_container_are_a_404(api: Api) -> None:
    api.get(f"{LIST}/{NOBODY}/release-notes").must_be(404, "Error")


# Groups


def test_groups_hold_containers_in_brief_and_the_groupless_come_last(api: Api) -> None:
    api.add(
        with_update(with_wishes(container("web"), group="shop")),
        with_wishes(container("db"), group="shop"),
        with_wishes(container("cron"), group="Back"),
        container("lone"),
    )
    body = api.get(f"{LIST}/groups").must_be(200)
    assert [group.get("name") for group in body["data"]] == ["Back", "shop", None]
    assert body["total"] == 3
    shop = body["data"][1]
    assert (shop["containerCount"], shop["updatesAvailable"]) == (2, 1)
    assert shop["containers"][1] == {
        "id": WEB.id,
        "name": "web",
        "displayName": "web",
        "updateAvailable": True,
    }


# Audit


def entry(number: int, action: str = "container-start", name: str = "web", **more: Any) -> AuditEntry:
    identity = Identity("local", "local", name)
    plain: dict[str, Any] = {"status": "success", "identity": identity}
    return AuditEntry(f"row-{number}", NOW - timedelta(hours=number), action, **(plain | more))


def rows(api: Api, query: str = "") -> list[str]:
    """The ids of the rows a query finds."""
    return [one["id"] for one in api.get(f"{AUDIT}?{query}").must_be(200)["data"]]


def test_the_audit_log_is_paged_by_fifty_newest_first(api: Api) -> None:
    api.services.audit.add([entry(number) for number in range(60)])
    body = api.get(AUDIT).must_be(200)
    assert [one["id"] for one in body["data"]] == [f"row-{number}" for number in range(50)]
    assert (body["total"], body["limit"], body["offset"], body["hasMore"]) == (60, 50, 0, True)
    assert rows(api, "offset=50") == [f"row-{number}" for number in range(50, 60)]
    assert body["_links"]["next"] == f"{AUDIT}?limit=50&offset=50"


@pytest.mark.parametrize(
    ("query", "limit"), [("limit=0", 1), ("limit=-4", 1), ("limit=500", 200), ("limit=x", 50), ("limit=7", 7)]
)
def test_the_limit_of_the_audit_log_is_clamped(api: Api, query: str, limit: int) -> None:
    assert api.get(f"{AUDIT}?{query}").must_be(200)["limit"] == limit


def test_an_audit_row_in_full(api: Api) -> None:
    full = entry(
        1,
        "update-applied",
        image="library/web",
        from_version="1",
        to_version="2",
        trigger="docker.local",
        details="because",
    )
    api.services.audit.add([full])
    (row,) = api.get(AUDIT).must_be(200)["data"]
    conform("AuditEntry", row)
    assert row == {
        "id": "row-1",
        "timestamp": "2026-11-23T11:00:00.000Z",
        "action": "update-applied",
        "containerName": "web",
        "containerIdentityKey": "::local::web",
        "containerImage": "library/web",
        "fromVersion": "1",
        "toVersion": "2",
        "triggerName": "docker.local",
        "status": "success",
        "details": "because",
    }


def test_a_row_about_no_container_is_listed_too(api: Api) -> None:
    about = Identity(SERVER, "", "authentication")
    api.services.audit.add([entry(1), entry(2, "auth-login", identity=about)])
    assert rows(api, "container=authentication") == ["row-2"]
    assert rows(api) == ["row-1", "row-2"]


AUDIT_FILTERS = {
    "action=container-stop": ["row-2"],
    "actions=container-stop,container-restart": ["row-2", "row-3"],
    "action=container-stop&actions=container-restart": ["row-2", "row-3"],
    "actions=,%20,": ["row-1", "row-2", "row-3", "row-4"],
    "container=db": ["row-4"],
    "container=d": [],
    "from=2026-11-23T10:00:00Z": ["row-1", "row-2"],
    "to=2026-11-23T10:00:00Z": ["row-2", "row-3", "row-4"],
    "from=2026-11-23T09:00:00Z&to=2026-11-23T10:00:00Z": ["row-2", "row-3"],
    "from=2026-11-24": [],
    "from=2026-11-23T11:00:00Z&to=2026-11-23T09:00:00Z": [],
    "from=yesterday": [],
    "to=9999-12-31T23:59:59-23:59": [],
    "from=&to=": ["row-1", "row-2", "row-3", "row-4"],
}


@pytest.mark.parametrize("query", AUDIT_FILTERS)
def test_audit_filters(api: Api, query: str) -> None:
    kinds = ["container-start", "container-stop", "container-restart"]
    api.services.audit.add([*(entry(at + 1, kind) for at, kind in enumerate(kinds)), entry(4, name="db")])
    assert rows(api, query) == AUDIT_FILTERS[query]


@pytest.mark.parametrize("query", ["action=a%20b", "actions=a,b%2Fc", "container=%3Cscript%3E", "container=a%00"])
def test_other_characters_than_names_have_are_a_400(api: Api, query: str) -> None:
    api.get(f"{AUDIT}?{query}").must_be(400, "Error")


def test_rows_are_kept_for_thirty_days(api: Api) -> None:
    api.services.audit.add([entry(1), entry(24 * 30 - 1), entry(24 * 30 + 1)])
    assert rows(api) == ["row-1", "row-719"]
