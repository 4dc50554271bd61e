"""The examples of the OpenAPI document are real: each operation still answers what its example shows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.wire import schemas
from handlers.openapi import build
from handlers.routes import ROUTES
from tests.builders.exercised import EXAMPLES, WITHOUT, exercised, shown
from tests.fakes.forge import running_forge

SHOWN = [row.operation_id for row in ROUTES if shown(row)]


@pytest.fixture(scope="module")
def answers(api_store: str) -> Iterator[dict[str, tuple[int, Any]]]:
    with running_forge() as forge:
        yield exercised(api_store, forge)


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return build("1.2.3")


def test_every_operation_that_answers_json_is_really_asked_but_for_a_few_with_reasons() -> None:
    known = {row.operation_id for row in ROUTES}
    assert set(WITHOUT) <= known
    assert len(SHOWN) >= 80


@pytest.mark.parametrize("name", SHOWN)
def test_an_operation_answers_what_its_example_shows(
    answers: dict[str, tuple[int, Any]], document: dict[str, Any], name: str
) -> None:
    status, body = answers[name]
    row = next(one for one in ROUTES if one.operation_id == name)
    assert status in row.responses, (status, body)
    schemas.check(str(row.answer(status).schema), body)
    described = document["paths"][row.path][row.method.lower()]["responses"][str(status)]
    example = described["content"]["application/json"]["example"]
    assert members(example) <= members(body) or members(example) <= everywhere(answers, str(row.answer(status).schema))


def everywhere(answers: dict[str, tuple[int, Any]], schema: str) -> set[str]:
    """The members of all answers of that schema."""
    rows = {row.operation_id: row for row in ROUTES}
    alike = [
        body
        for name, (status, body) in answers.items()
        if status in rows[name].responses
        if rows[name].answer(status).schema == schema
    ]
    return {member for body in alike for member in members(body)}


def members(value: Any, at: str = "") -> set[str]:
    """The places of a body, with the kinds of what is there; elements of lists have one place."""
    if isinstance(value, dict):
        return {place for name, inner in value.items() for place in members(inner, f"{at}.{name}")}
    if isinstance(value, list):
        return {place for inner in value for place in members(inner, f"{at}[]")}
    return {f"{at}:{type(value).__name__}"}


def test_examples_hold_no_secret() -> None:
    text = EXAMPLES.read_text()
    assert json.loads(text)
    for name, example in json.loads(text).items():
        if name != "EnvReveal":
            assert "s3cret" not in json.dumps(example), name
    for secret in ("difference engine", "a-webhook-secret", "a-webhook-token", "slw_"):
        assert secret not in text
