"""What registries do wrong, over real HTTP: each ends in its error, keeps the last result, and touches no other host."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from chalicelib.adapters.patterns import Re2Patterns
from chalicelib.adapters.registry.registries import Registries
from chalicelib.domain.container import Container, Platform
from chalicelib.domain.reference import Reference, Repository
from chalicelib.ports.registry import (
    RegistryDenied,
    RegistryError,
    RegistryGarbled,
    RegistryLimited,
    RegistryNotFound,
    RegistryUnavailable,
    RegistryUntrusted,
)
from chalicelib.usecases.detect import detect
from tests.builders.detection import a_container
from tests.builders.scripted_registry import Asked, Script, Scripted, ScriptedRegistry, scripted_registry
from tests.docker.registry import PASSWORD, USER, image_registry
from tests.fakes.services import StillClock

AMD64 = Platform("amd64", "linux")
ADA = "Basic " + base64.b64encode(b"ada:lovelace").decode()
TAGS = b'{"name": "web", "tags": ["1.0.0", "1.1.0"]}'


@pytest.fixture
def place() -> Iterator[ScriptedRegistry]:
    with scripted_registry() as found:
        yield found


@pytest.fixture
def other() -> Iterator[ScriptedRegistry]:
    with scripted_registry(lambda asked: Scripted(body=TAGS)) as found:
        yield found


class Client:
    """The adapter with a clock that only waiting moves."""

    def __init__(self) -> None:
        self.clock = StillClock()
        self.opened: list[Registries] = []

    def open(self, settings: dict[str, Any] | None = None, timeout: float = 2) -> Registries:
        self.opened.append(Registries(settings or {}, self.clock, timeout=timeout, window=timedelta(0)))
        return self.opened[-1]

    def with_account(self, place: ScriptedRegistry, user: str = "ada", password: str = "lovelace") -> Registries:
        return self.open({"custom": {"own": {"url": place.url, "login": user, "password": password}}})


@pytest.fixture
def client() -> Iterator[Client]:
    found = Client()
    yield found
    for registries in found.opened:
        registries.close()


def web(place: ScriptedRegistry) -> Repository:
    return Repository(place.address, "web")


def tags(registries: Registries, place: ScriptedRegistry) -> list[str]:
    return list(registries.cycle().tags(web(place)))


def bearer(place: ScriptedRegistry, *, accept: str | None = None, expires: int = 300) -> Script:
    """A registry that wants a token, and hands it out to whoever may have it (`accept`: one Authorization header)."""
    challenge = f'Bearer realm="{place.url}/token",service="scripted",scope="repository:web:pull,push"'

    def answer(asked: Asked) -> Scripted:
        if asked.path.startswith("/token"):
            if accept is not None and asked.authorization != accept:
                return Scripted(401, b'{"errors":[{"code":"UNAUTHORIZED"}]}')
            return Scripted(body=json.dumps({"token": f"secret-{len(place.asked)}", "expires_in": expires}).encode())
        if not (asked.authorization or "").startswith("Bearer secret-"):
            return Scripted(401, headers={"WWW-Authenticate": challenge})
        return Scripted(body=TAGS, headers={"Docker-Content-Digest": "sha256:" + "1" * 64})

    return answer


def test_a_token_is_fetched_when_asked_for_and_used_again(place: ScriptedRegistry, client: Client) -> None:
    place.answer = bearer(place)
    cycle = client.open().cycle()
    assert list(cycle.tags(web(place))) == ["1.0.0", "1.1.0"]
    assert cycle.head(Reference(place.address, "web", "1.0.0")) == "sha256:" + "1" * 64
    assert place.paths == [
        "/v2/web/tags/list?n=1000",
        "/token?service=scripted&scope=repository%3Aweb%3Apull",
        "/v2/web/tags/list?n=1000",
        "/v2/web/manifests/1.0.0",
    ]


def test_a_token_that_expired_is_fetched_anew(place: ScriptedRegistry, client: Client) -> None:
    place.answer = bearer(place, expires=30)
    registries = client.open()
    tags(registries, place)
    client.clock.sleep(31)
    tags(registries, place)
    assert sum(path.startswith("/token") for path in place.paths) == 2


def test_a_token_is_kept_for_five_minutes_at_most(place: ScriptedRegistry, client: Client) -> None:
    place.answer = bearer(place, expires=86400)
    registries = client.open()
    tags(registries, place)
    client.clock.sleep(301)
    tags(registries, place)
    assert sum(path.startswith("/token") for path in place.paths) == 2


def test_a_token_that_is_refused_early_is_fetched_anew_once(place: ScriptedRegistry, client: Client) -> None:
    place.answer = bearer(place)
    registries = client.open()
    tags(registries, place)
    challenge = {"WWW-Authenticate": f'Bearer realm="{place.url}/token"'}
    fresh = bearer(place)
    place.answer = lambda asked: Scripted(401, headers=challenge) if asked.path.startswith("/v2") else fresh(asked)
    with pytest.raises(RegistryDenied):
        tags(registries, place)
    assert sum(path.startswith("/token") for path in place.paths) == 2


def test_credentials_go_to_the_realm_and_nowhere_else(place: ScriptedRegistry, client: Client) -> None:
    place.answer = bearer(place, accept=ADA)
    registries = client.open({"gitlab": {"own": {"url": place.url, "login": "ada", "password": "lovelace"}}})
    assert tags(registries, place) == ["1.0.0", "1.1.0"]
    assert [asked.path.partition("?")[0] for asked in place.asked if asked.authorization == ADA] == ["/token"]


def test_wrong_credentials_are_an_error_and_never_become_anonymous(place: ScriptedRegistry, client: Client) -> None:
    place.answer = bearer(place, accept=ADA)
    with pytest.raises(RegistryDenied, match="the credentials of ada"):
        tags(client.with_account(place, password="wrong"), place)
    assert all(asked.authorization for asked in place.asked)


def test_basic_credentials_are_sent_to_a_real_registry() -> None:
    client = Client()
    with image_registry(password=True) as real:
        real.push_image("web", "1.0.0")
        repository = Repository(real.address, "web")
        own = {"url": f"http://{real.address}", "login": USER, "password": PASSWORD}
        assert list(client.open({"custom": {"own": own}}).cycle().tags(repository)) == ["1.0.0"]
        with pytest.raises(RegistryDenied, match="tester"):
            client.open({"custom": {"own": own | {"password": "wrong"}}}).cycle().tags(repository)
        with pytest.raises(RegistryDenied, match="anonymous"):
            client.open().cycle().tags(repository)
    for registries in client.opened:
        registries.close()


REALMS = {
    "plain http elsewhere": 'Bearer realm="http://auth.example/token"',
    "another host": 'Bearer realm="https://evil.example/token"',
    "no address": 'Bearer realm="token"',
    "a file": 'Bearer realm="file:///etc/passwd"',
    "a user in it": 'Bearer realm="https://ada@evil.example/token"',
    "a metadata service": 'Bearer realm="http://169.254.169.254/latest"',
}


@pytest.mark.parametrize("challenge", REALMS.values(), ids=REALMS.keys())
@pytest.mark.parametrize("known", [True, False], ids=["with credentials", "anonymous"])
def test_a_hostile_realm_is_not_followed(place: ScriptedRegistry, client: Client, challenge: str, known: bool) -> None:
    place.answer = lambda asked: Scripted(401, headers={"WWW-Authenticate": challenge})
    with pytest.raises(RegistryUntrusted):
        tags(client.with_account(place) if known else client.open(), place)


@pytest.mark.parametrize("body", [b"not json", b"[]", b'{"token": ""}', b'{"token": "a b"}', b'{"token": 5}', b"{}"])
def test_a_token_that_is_none_is_an_error(place: ScriptedRegistry, client: Client, body: bytes) -> None:
    honest = bearer(place)
    place.answer = lambda asked: Scripted(body=body) if asked.path.startswith("/token") else honest(asked)
    with pytest.raises(RegistryGarbled):
        tags(client.open(), place)


STATUSES = [
    (401, RegistryDenied, "refuses anonymous access"),
    (403, RegistryDenied, "DENIED"),
    (404, RegistryNotFound, "does not have"),
    (400, RegistryGarbled, "400"),
    (418, RegistryGarbled, "418"),
    (500, RegistryUnavailable, "500"),
    (502, RegistryUnavailable, "502"),
    (503, RegistryUnavailable, "overloaded"),
    (429, RegistryLimited, "too many requests"),
]


@pytest.mark.parametrize(("status", "error", "words"), STATUSES)
def test_each_status_has_its_error(
    place: ScriptedRegistry, client: Client, status: int, error: type[RegistryError], words: str
) -> None:
    place.answer = lambda asked: Scripted(status, b'{"errors": [{"code": "DENIED"}]}')
    with pytest.raises(error, match=words):
        tags(client.open(), place)
    assert error.transient is (status >= 500 or status == 429)


def in_turn(*answers: Scripted) -> Script:
    """Each answer once, the last one for ever."""
    left = list(answers)
    return lambda asked: left.pop(0) if len(left) > 1 else left[0]


def test_a_short_pause_is_waited_out(place: ScriptedRegistry, client: Client) -> None:
    place.answer = in_turn(Scripted(429, headers={"Retry-After": "7"}), Scripted(body=TAGS))
    started = client.clock.now()
    assert tags(client.open(), place) == ["1.0.0", "1.1.0"]
    assert client.clock.now() - started == timedelta(seconds=7)


def test_a_pause_may_be_given_as_a_date(place: ScriptedRegistry, client: Client) -> None:
    until = client.clock.now() + timedelta(seconds=9)
    place.answer = in_turn(
        Scripted(429, headers={"Retry-After": format_datetime(until, usegmt=True)}), Scripted(body=TAGS)
    )
    assert tags(client.open(), place) == ["1.0.0", "1.1.0"]
    assert client.clock.now() == until


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_a_long_pause_opens_the_circuit_of_that_host_alone(
    place: ScriptedRegistry, other: ScriptedRegistry, client: Client, form: str
) -> None:
    until = client.clock.now() + timedelta(seconds=600)
    header = "600" if form == "seconds" else format_datetime(until, usegmt=True)
    place.answer = in_turn(Scripted(429, headers={"Retry-After": header}), Scripted(body=TAGS))
    registries = client.open()
    with pytest.raises(RegistryLimited) as first:
        tags(registries, place)
    assert first.value.retry_after == 600
    for _ in range(3):
        with pytest.raises(RegistryLimited):
            tags(registries, place)
    assert len(place.asked) == 1
    assert tags(registries, other) == ["1.0.0", "1.1.0"]
    state = next(state for state in registries.states() if state.host == place.address)
    assert state.limited_until == until
    client.clock.sleep(600)
    assert tags(registries, place) == ["1.0.0", "1.1.0"]
    assert all(state.limited_until is None for state in registries.states())


def test_a_pause_without_a_length_doubles_each_time_and_ends(place: ScriptedRegistry, client: Client) -> None:
    place.answer = lambda asked: Scripted(429)
    started = client.clock.now()
    with pytest.raises(RegistryLimited):
        tags(client.open(), place)
    assert len(place.asked) == 4
    assert client.clock.now() - started == timedelta(seconds=1 + 2 + 4)


def test_an_overloaded_registry_is_asked_again(place: ScriptedRegistry, client: Client) -> None:
    place.answer = in_turn(Scripted(503), Scripted(503, headers={"Retry-After": "2"}), Scripted(body=TAGS))
    assert tags(client.open(), place) == ["1.0.0", "1.1.0"]


@pytest.mark.parametrize("nonsense", ["soon", "-5", "99999999999", "Thu, 99 Foo 2026"])
def test_a_pause_that_makes_no_sense_counts_as_none_given(
    place: ScriptedRegistry, client: Client, nonsense: str
) -> None:
    place.answer = in_turn(Scripted(429, headers={"Retry-After": nonsense}), Scripted(body=TAGS))
    assert tags(client.open(), place) == ["1.0.0", "1.1.0"]


def test_a_registry_that_does_not_answer_in_time(place: ScriptedRegistry, client: Client) -> None:
    place.answer = lambda asked: Scripted(body=TAGS, delay=1)
    with pytest.raises(RegistryUnavailable, match="in time"):
        tags(client.open(timeout=0.2), place)
    assert len(place.asked) == 1


def test_a_registry_that_trickles(place: ScriptedRegistry, client: Client) -> None:
    place.answer = lambda asked: Scripted(body=TAGS, trickle=0.05)
    with pytest.raises(RegistryUnavailable, match="took longer"):
        tags(client.open(timeout=0.3), place)


def test_an_answer_cut_short_is_asked_for_again_and_then_an_error(place: ScriptedRegistry, client: Client) -> None:
    place.answer = lambda asked: Scripted(body=TAGS[:9], declared=len(TAGS))
    with pytest.raises(RegistryUnavailable, match="cuts its answer short"):
        tags(client.open(), place)
    assert len(place.asked) == 3


def test_nobody_listens(client: Client) -> None:
    with scripted_registry() as gone:
        address = gone.address
    with pytest.raises(RegistryUnavailable, match="cannot be reached"):
        client.open().cycle().tags(Repository(address, "web"))


def test_an_endless_answer_is_not_read_to_its_end(place: ScriptedRegistry, client: Client) -> None:
    place.answer = lambda asked: Scripted(body=b"[" * (17 * 1024 * 1024))
    with pytest.raises(RegistryGarbled, match="more than 16 MiB"):
        tags(client.open(), place)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"tags": 5}', b'{"name": "web"}', b"null"])
def test_a_tag_list_that_is_none_is_an_error(place: ScriptedRegistry, client: Client, body: bytes) -> None:
    place.answer = lambda asked: Scripted(body=body)
    with pytest.raises(RegistryGarbled, match="no tag list"):
        tags(client.open(), place)


def test_a_repository_without_tags_has_none(place: ScriptedRegistry, client: Client) -> None:
    place.answer = lambda asked: Scripted(body=b'{"name": "web", "tags": null}')
    assert tags(client.open(), place) == []


def page(*names: str, link: str | None = None) -> Scripted:
    return Scripted(body=json.dumps({"tags": names}).encode(), headers={"Link": link} if link else {})


@pytest.mark.parametrize(
    "link",
    [
        '</v2/web/tags/list?n=1000&last=b>; rel="next"',
        "</v2/web/tags/list?next_page=xyz>; rel=next",
        '</v2/web/tags/list?n=1>; rel="prev", </v2/web/tags/list?last=b>; rel="next"',
        '</v2/web/tags/list?last=b>; title="a, b; c"; rel="next"',
        '<?last=b>; rel="next"',
    ],
)
def test_pages_are_followed(place: ScriptedRegistry, client: Client, link: str) -> None:
    place.answer = in_turn(page("a", "b", link=link), page("c"))
    assert tags(client.open(), place) == ["a", "b", "c"]


def test_an_absolute_link_to_the_same_list_is_followed(place: ScriptedRegistry, client: Client) -> None:
    place.answer = in_turn(page("a", link=f'<{place.url}/v2/web/tags/list?last=a>; rel="next"'), page("b"))
    assert tags(client.open(), place) == ["a", "b"]


@pytest.mark.parametrize(
    "link", ["/v2/other/tags/list", "/v2/web/../secret", "//evil.example/v2/web/tags/list", "/admin"]
)
def test_a_link_that_leaves_the_list_is_not_followed(place: ScriptedRegistry, client: Client, link: str) -> None:
    place.answer = in_turn(page("a", link=f'<{link}>; rel="next"'), page("b"))
    with pytest.raises(RegistryUntrusted):
        tags(client.with_account(place), place)
    assert len(place.asked) == 1


def test_a_link_to_another_host_gets_no_credentials(
    place: ScriptedRegistry, other: ScriptedRegistry, client: Client
) -> None:
    place.answer = lambda asked: page("a", link=f'<{other.url}/v2/web/tags/list?n=1000>; rel="next"')
    with pytest.raises(RegistryUntrusted):
        tags(client.with_account(place), place)
    assert other.asked == []


def test_pages_that_go_round_in_circles_end(place: ScriptedRegistry, client: Client) -> None:
    place.answer = lambda asked: page("a", link='</v2/web/tags/list?n=1000>; rel="next"')
    with pytest.raises(RegistryGarbled, match="without end"):
        tags(client.open(), place)


def test_a_full_page_without_a_link_is_continued_after_its_last_tag(place: ScriptedRegistry, client: Client) -> None:
    full = [f"1.0.{number}" for number in range(1000)]
    place.answer = in_turn(page(*full), page("2.0.0"))
    assert tags(client.open(), place)[-1] == "2.0.0"
    assert place.paths[-1] == "/v2/web/tags/list?n=1000&last=1.0.999"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_host_is_not_followed(
    place: ScriptedRegistry, other: ScriptedRegistry, client: Client, status: int
) -> None:
    place.answer = lambda asked: Scripted(status, headers={"Location": f"{other.url}{asked.path}"})
    for registries in (client.with_account(place), client.open()):
        with pytest.raises(RegistryUntrusted, match="redirects"):
            tags(registries, place)
    assert other.asked == []


@pytest.mark.parametrize("target", ["http://169.254.169.254/latest", "https://10.0.0.1/x", "file:///etc/passwd", ""])
def test_a_redirect_into_a_network_is_not_followed(place: ScriptedRegistry, client: Client, target: str) -> None:
    place.answer = lambda asked: Scripted(307, headers={"Location": target})
    with pytest.raises(RegistryUntrusted):
        tags(client.open(), place)


def image_script(place: ScriptedRegistry, config: bytes, blob: Script) -> tuple[Script, str]:
    digest = "sha256:" + hashlib.sha256(config).hexdigest()
    manifest = json.dumps({"schemaVersion": 2, "config": {"digest": digest}, "layers": []}).encode()

    def answer(asked: Asked) -> Scripted:
        if "/blobs/" in asked.path:
            return blob(asked)
        return Scripted(body=manifest)

    return answer, digest


CONFIG = b'{"created": "2025-01-02T03:04:05.123456789Z"}'


def test_a_config_may_lie_on_another_host_which_gets_no_credentials(
    place: ScriptedRegistry, other: ScriptedRegistry, client: Client
) -> None:
    place.answer, digest = image_script(
        place, CONFIG, lambda asked: Scripted(307, headers={"Location": f"{other.url}/storage?signed=1"})
    )
    other.answer = lambda asked: Scripted(body=CONFIG)
    found = client.with_account(place).cycle().manifest(Reference(place.address, "web", "1"), AMD64)
    assert found.config_digest == digest
    assert found.created == datetime(2025, 1, 2, 3, 4, 5, 123456, tzinfo=UTC)
    assert [asked.authorization for asked in other.asked] == [None]
    assert all(asked.authorization == ADA for asked in place.asked)


def test_a_config_that_cannot_be_followed_leaves_the_date_out(place: ScriptedRegistry, client: Client) -> None:
    place.answer, digest = image_script(
        place, CONFIG, lambda asked: Scripted(307, headers={"Location": "http://169.254.169.254/"})
    )
    found = client.open().cycle().manifest(Reference(place.address, "web", "1"), AMD64)
    assert (found.config_digest, found.created) == (digest, None)


def test_a_config_of_another_digest_is_an_error(place: ScriptedRegistry, client: Client) -> None:
    place.answer, _ = image_script(place, CONFIG, lambda asked: Scripted(body=b"forged"))
    with pytest.raises(RegistryGarbled, match="other content"):
        client.open().cycle().manifest(Reference(place.address, "web", "1"), AMD64)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"config": {}}', b'{"config": {"digest": "../../x"}}', b'{"schemaVersion": 2}']
)
def test_a_manifest_that_is_none_is_an_error(place: ScriptedRegistry, client: Client, body: bytes) -> None:
    place.answer = lambda asked: Scripted(body=body)
    with pytest.raises(RegistryGarbled):
        client.open().cycle().manifest(Reference(place.address, "web", "1"), AMD64)


def test_a_manifest_of_another_digest_than_asked_for_is_an_error(place: ScriptedRegistry, client: Client) -> None:
    place.answer, _ = image_script(place, CONFIG, lambda asked: Scripted(body=CONFIG))
    with pytest.raises(RegistryGarbled, match="another digest"):
        client.open().cycle().resolve(Reference(place.address, "web", None, "sha256:" + "1" * 64), AMD64)


def test_the_oldest_manifests_are_understood(place: ScriptedRegistry, client: Client) -> None:
    image_id, digest = "sha256:" + "7" * 64, "sha256:" + "8" * 64
    history = {"config": {"Image": image_id}, "created": "2016-01-01T00:00:00Z"}
    document = {"schemaVersion": 1, "history": [{"v1Compatibility": json.dumps(history)}]}
    place.answer = lambda asked: Scripted(body=json.dumps(document).encode(), headers={"Docker-Content-Digest": digest})
    found = client.open().cycle().manifest(Reference(place.address, "web", "1"), AMD64)
    assert (found.digest, found.platform_digest, found.config_digest) == (digest, digest, image_id)
    assert found.created == datetime(2016, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("status", [405, 501])
def test_a_registry_without_head_is_asked_for_the_content(place: ScriptedRegistry, client: Client, status: int) -> None:
    whole, _ = image_script(place, CONFIG, lambda asked: Scripted(body=CONFIG))
    place.answer = lambda asked: Scripted(status) if asked.method == "HEAD" else whole(asked)
    container = a_container(f"{place.address}/web:stable", image_id="sha256:" + "0" * 64)
    checked = detect(container, client.open().cycle(), compile=Re2Patterns(), now=client.clock.now())
    assert [asked.method for asked in place.asked][:2] == ["HEAD", "GET"]
    assert checked.image.digest.watch


def test_the_quota_a_registry_reports_is_remembered(place: ScriptedRegistry, client: Client) -> None:
    place.answer = lambda asked: Scripted(
        body=TAGS, headers={"RateLimit-Limit": "100;w=21600", "RateLimit-Remaining": "76;w=21600"}
    )
    registries = client.open()
    tags(registries, place)
    state = registries.states()[0]
    assert (state.host, state.limit, state.remaining) == (place.address, 100, 76)


def test_an_unchanged_tag_list_is_not_sent_again(place: ScriptedRegistry, client: Client) -> None:
    def answer(asked: Asked) -> Scripted:
        if asked.headers.get("if-none-match") == '"v1"':
            return Scripted(304, b"", declared=0)
        return Scripted(body=TAGS, headers={"ETag": '"v1"'})

    place.answer = answer
    registries = client.open()
    assert tags(registries, place) == tags(registries, place) == ["1.0.0", "1.1.0"]
    assert [asked.headers.get("if-none-match") for asked in place.asked] == [None, '"v1"']


FAULTS: dict[str, Script] = {
    "denied": lambda asked: Scripted(403),
    "gone": lambda asked: Scripted(404),
    "limited": lambda asked: Scripted(429, headers={"Retry-After": "3600"}),
    "broken": lambda asked: Scripted(500),
    "overloaded": lambda asked: Scripted(503),
    "garbled": lambda asked: Scripted(body=b"<html>"),
    "cut short": lambda asked: Scripted(body=TAGS[:5], declared=900),
    "redirected": lambda asked: Scripted(307, headers={"Location": "https://evil.example/"}),
    "sent away": lambda asked: Scripted(401, headers={"WWW-Authenticate": 'Bearer realm="https://evil.example/"'}),
    "hostile link": lambda asked: page("a", link='<https://evil.example/>; rel="next"'),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_each_fault_is_said_keeps_the_last_result_and_touches_no_other_host(
    place: ScriptedRegistry, other: ScriptedRegistry, client: Client, fault: Script
) -> None:
    registries = client.open()

    def check(container: Container) -> Container:
        return detect(container, registries.cycle(), compile=Re2Patterns(), now=client.clock.now())

    place.answer = lambda asked: Scripted(body=TAGS)
    known = check(a_container(f"{place.address}/web:1.0.0"))
    assert known.update.remote_value == "1.1.0"
    place.answer = fault
    checked = check(known)
    assert checked.error is not None and place.address in checked.error
    assert "lovelace" not in checked.error
    assert (checked.result, checked.update, checked.candidate) == (known.result, known.update, known.candidate)
    assert check(a_container(f"{other.address}/web:1.0.0")).error is None
