"""What each row of the table asks of a token, written down once more: a new row must say here what it needs."""

from __future__ import annotations

import json

import pytest

from chalicelib.domain.token import SCOPES, Token, digest
from handlers.guards import Confirm
from handlers.routes import ROUTES
from local_runtime.server.on_lambda import lambda_handler_over
from tests.builders.requests import event
from tests.contract.test_two_doors import Answer, Context, _answer, through_chalice
from tests.fakes.services import NOON, FakeServices

ONE, RUN = "/api/v1/containers/{id}", "{type}/{name}"
PUBLIC = {
    "GET /",
    "GET /health",
    "GET /metrics",
    "GET /api/app",
    "GET /api/v1/openapi.json",
    "GET /api/v1/docs",
    "POST /auth/login",
    "GET /auth/status",
    "GET /api/v1/auth/status",
    "GET /api/auth/status",
    "GET /auth/strategies",
    "GET /auth/oidc/{name}/redirect",
    "GET /auth/oidc/{name}/cb",
    "POST /api/v1/webhooks/registry",
    "POST /api/v1/webhook/watch",
    "POST /api/v1/webhook/watch/{containerName}",
    "POST /api/v1/webhook/update/{containerName}",
}
"""Rows that let anybody ask: `/metrics` and the webhooks have a guard of their own."""
MORE_THAN_READ = {
    "POST /api/v1/containers/watch": "watch",
    f"POST {ONE}/watch": "watch",
    "POST /api/containers/watch": "watch",
    "POST /api/containers/{id}/watch": "watch",
    f"POST {ONE}/update": "act",
    f"POST {ONE}/rollback": "act",
    f"POST {ONE}/preview": "act",
    f"POST {ONE}/start": "act",
    f"POST {ONE}/stop": "act",
    f"POST {ONE}/restart": "act",
    f"POST {ONE}/scan": "act",
    f"PATCH {ONE}/update-policy": "act",
    f"DELETE {ONE}": "act",
    "DELETE /api/containers/{id}": "act",
    "POST /api/v1/operations/{id}/cancel": "act",
    "PATCH /api/v1/notifications/{ruleId}": "act",
    "POST /api/v1/notifications/outbox/{noticeId}/retry": "act",
    "DELETE /api/v1/notifications/outbox/{noticeId}": "act",
    f"POST {ONE}/triggers/{RUN}": "act",
    f"POST {ONE}/triggers/{RUN}/{{agent}}": "act",
    f"POST /api/v1/triggers/{RUN}": "act",
    f"POST /api/v1/triggers/{RUN}/{{agent}}": "act",
    f"POST /api/triggers/{RUN}": "act",
    f"POST /api/containers/{{id}}/triggers/{RUN}": "act",
    f"POST /api/containers/{{id}}/triggers/{RUN}/{{agent}}": "act",
    f"POST {ONE}/env/reveal": "admin",
    "GET /api/v1/tokens": "admin",
    "POST /api/v1/tokens": "admin",
    "DELETE /api/v1/tokens/{id}": "admin",
}
ABOUT_THE_CALLER = {"POST /auth/remember", "POST /auth/logout", "POST /api/v1/events/ui/self-update/{operationId}/ack"}
"""Rows that change nothing but the caller's own session or stream: a token that reads may call them."""
CONFIRMED = {f"DELETE {ONE}": "container-delete", "DELETE /api/containers/{id}": "container-delete"}
CONFIRMED[f"POST {ONE}/rollback"] = "container-rollback"


def through_both(row: str, scope: str, monkeypatch: pytest.MonkeyPatch) -> Answer:
    """What both doors answer to a token of this scope alone; what could be confirmed is."""
    method, path = row.split()
    headers = {"authorization": "Bearer slw_one"}
    if row in CONFIRMED:
        headers["x_dd_confirm_action"] = CONFIRMED[row]
    asked = event(method, path.replace("{", "").replace("}", ""), **headers)
    answer = through_chalice(asked, _with_token(scope), monkeypatch)
    assert answer == _answer(lambda_handler_over(_with_token(scope))(asked, Context()))
    return answer


def _with_token(scope: str) -> FakeServices:
    # Each door has its own: both count the request, and tell how many are left.
    services = FakeServices()
    services.tokens.add(Token(digest("slw_one"), "one", "ada", "basic", (scope,), "slw_…", NOON))
    return services


def test_every_row_is_written_down_with_what_it_needs() -> None:
    found = {f"{row.method} {row.path}": "" if row.public else row.needs for row in ROUTES}
    assert {row for row, scope in found.items() if not scope} == PUBLIC
    assert {row: scope for row, scope in found.items() if scope not in ("", "read")} == MORE_THAN_READ
    assert {row for row, scope in found.items() if scope == "read" and not row.startswith("GET ")} == ABOUT_THE_CALLER


@pytest.mark.parametrize("row", MORE_THAN_READ)
def test_a_token_of_the_scope_below_is_told_which_one_it_lacks(row: str, monkeypatch: pytest.MonkeyPatch) -> None:
    needed = MORE_THAN_READ[row]
    for scope in SCOPES[: SCOPES.index(needed)]:
        answer = through_both(row, scope, monkeypatch)
        assert answer.status == 403
        assert json.loads(answer.body) == {"error": f"This token does not allow that: it lacks the scope {needed}."}


def test_what_cannot_be_undone_asks_for_its_confirmation() -> None:
    found = {
        f"{row.method} {row.path}": guard.token for row in ROUTES for guard in row.guards if isinstance(guard, Confirm)
    }
    assert found == CONFIRMED
