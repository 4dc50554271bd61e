"""The rows about access and the server itself answer the same through Chalice and through FastAPI."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from handlers.routes import ROUTES
from local_runtime.server.on_lambda import lambda_handler_over
from tests.builders.requests import event
from tests.contract.test_two_doors import Answer, Context, _answer, through_chalice
from tests.fakes.services import FakeServices, settings_with

WRONG = "Basic " + base64.b64encode(b"ada:x").decode()
CARD = json.dumps({"name": "card", "scopes": ["read"]}).encode()


def both(asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch, *earlier: dict[str, Any], **settings: Any) -> Answer:
    """What both doors answer, after the same earlier requests to each."""
    first, second = (FakeServices(settings_with(**settings)) for _ in range(2))
    fastapi = lambda_handler_over(second)
    for one in earlier:
        through_chalice(one, first, monkeypatch)
        fastapi(one, Context())
    answer = through_chalice(asked, first, monkeypatch)
    assert answer == _answer(fastapi(asked, Context()))
    return answer


CASES: dict[str, tuple[int, dict[str, Any]]] = {
    "a log-in": (200, event("POST", "/auth/login")),
    "a log-in to be remembered": (200, event("POST", "/auth/login", body=b'{"remember":true}')),
    "a log-in with a wrong password": (401, event("POST", "/auth/login", authorization=WRONG)),
    "nothing to remember": (400, event("POST", "/auth/remember", body=b'{"remember":true}')),
    "the ways to log in": (200, event("GET", "/auth/status", authorization="")),
    "the ways to log in, versioned": (200, event("GET", "/api/v1/auth/status", authorization="")),
    "the ways to log in, by their older name": (200, event("GET", "/auth/strategies", authorization="")),
    "tokens": (200, event("GET", "/api/v1/tokens")),
    "tokens for nobody": (401, event("GET", "/api/v1/tokens", authorization="")),
    "a token with an unknown scope": (400, event("POST", "/api/v1/tokens", body=b'{"name":"x","scopes":["root"]}')),
    "a token that is not there": (404, event("DELETE", "/api/v1/tokens/0123456789abcdef")),
    "a bearer token we do not know": (401, event("GET", "/api/v1/app", authorization="Bearer slw_nothing")),
    "how the server is set up": (200, event("GET", "/api/v1/server")),
    "where things are kept": (200, event("GET", "/api/v1/store")),
    "how much is logged": (200, event("GET", "/api/v1/log")),
    "WUD's app": (200, event("GET", "/api/app", authorization="")),
    "ways to log in as components": (200, event("GET", "/api/v1/authentications")),
    "metrics for nobody": (401, event("GET", "/metrics", authorization="")),
}


@pytest.mark.parametrize("name", CASES)
def test_both_doors_answer_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    status, asked = CASES[name]
    assert both(asked, monkeypatch).status == status


def test_both_doors_lock_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = [event("POST", "/auth/login", authorization=WRONG)] * 5
    answer = both(event("POST", "/auth/login"), monkeypatch, *wrong)
    assert answer.status == 423
    assert dict(answer.headers)["retry-after"] == "900"


def test_both_doors_make_tokens_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("secrets.token_urlsafe", lambda _size: "same")
    answer = both(event("POST", "/api/v1/tokens", body=CARD), monkeypatch)
    assert (answer.status, json.loads(answer.body)["token"]) == (201, "slw_same")
    used = event("GET", "/auth/user", authorization="Bearer slw_same")
    assert both(used, monkeypatch, event("POST", "/api/v1/tokens", body=CARD)).body == b'{"username":"ada"}'


def test_every_row_answers_through_both_doors_that_nobody_is_let_in(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [row for row in ROUTES if not row.public]
    assert len(rows) > 40
    for row in rows:
        path = row.path.replace("{", "").replace("}", "")
        answer = both(event(row.method, path, authorization=""), monkeypatch)
        assert answer.status == 401, row
