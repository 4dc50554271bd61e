"""The OpenAPI document: valid, complete, and the same schemas that bodies are checked against."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from chalicelib.domain.errors import Invalid
from chalicelib.wire import schemas
from handlers import openapi_examples
from handlers.dispatch import dispatch, table
from handlers.http import Response
from handlers.openapi import build, describe
from handlers.routes import ROUTES
from tests.builders.requests import request
from tests.builders.routes import TABLE
from tests.fakes.services import FakeServices


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return build("1.2.3")


def asked(path: str) -> Response:
    return dispatch(request("GET", path, authorization=""), FakeServices(), table())


def test_the_document_is_valid_openapi(document: dict[str, Any]) -> None:
    validate(document)


def test_it_is_served_to_everybody(document: dict[str, Any]) -> None:
    response = asked("/api/v1/openapi.json")
    assert isinstance(response.body, bytes)
    assert json.loads(response.body) == document


def test_every_row_is_described_and_nothing_else(document: dict[str, Any]) -> None:
    described = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert described == {(row.method, row.path) for row in ROUTES}


def test_every_operation_has_a_name_of_its_own_and_a_summary(document: dict[str, Any]) -> None:
    names = [row.operation_id for row in ROUTES]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[a-z][A-Za-z]+", name) for name in names)
    assert all(row.summary and not row.summary.endswith(".") for row in ROUTES)


def test_every_schema_a_row_names_exists() -> None:
    named = {row.body for row in ROUTES if row.body}
    named |= {row.answer(status).schema for row in ROUTES for status in row.responses} - {None}
    assert named <= set(schemas.models())


def test_every_reference_between_schemas_leads_somewhere() -> None:
    text = json.dumps(schemas.models())
    assert set(re.findall(r'"#/components/schemas/(\w+)"', text)) <= set(schemas.models())
    assert set(re.findall(r'"\$ref": "([^"]+)"', text)) == set(re.findall(r'"(#/components/schemas/\w+)"', text))


def test_a_schema_is_valid_and_its_examples_meet_it(document: dict[str, Any]) -> None:
    examples = 0
    for name, schema in schemas.models().items():
        Draft202012Validator.check_schema(schema)
        for example in schema.get("examples", ()):
            whole = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
            Draft202012Validator(whole).validate(example)
            examples += 1
    assert examples >= 5


def test_optional_members_are_never_null() -> None:
    nulls = [name for name, schema in schemas.models().items() if '"null"' in json.dumps(schema)]
    assert nulls == ["Stats", "StatsList", "VulnerabilityOverview"]


def test_the_guards_of_a_row_show_in_its_description() -> None:
    delete = describe(TABLE, "1")["paths"]["/api/v1/things/{id}"]["delete"]
    assert {"400", "401", "403", "428", "429", "500"} <= set(delete["responses"])
    assert "DD_SERVER_FEATURE_DELETE" in delete["responses"]["403"]["description"]
    header = next(parameter for parameter in delete["parameters"] if parameter["in"] == "header")
    assert (header["name"], header["required"], header["schema"]["enum"]) == (
        "X-DD-Confirm-Action",
        True,
        ["thing-delete"],
    )


def test_a_public_row_says_that_it_needs_no_login(document: dict[str, Any]) -> None:
    assert document["paths"]["/health"]["get"]["security"] == []
    assert "401" not in document["paths"]["/health"]["get"]["responses"]
    assert "security" not in document["paths"]["/api/v1/app"]["get"]
    assert document["security"] == [{"basic": []}, {"token": []}, {"session": []}]


@pytest.mark.parametrize("name", sorted({row.body for row in ROUTES if row.body}))
def test_bodies_are_checked_against_what_is_described(name: str) -> None:
    for example in schemas.models()[name].get("examples", [{}]):
        schemas.check(name, example)
    with pytest.raises(Invalid, match="object"):
        schemas.check(name, [])


def test_checking_a_body_does_not_fill_it_in() -> None:
    body = {"action": "snooze"}
    schemas.check("UpdatePolicyRequest", body)
    assert body == {"action": "snooze"}


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: set[str] = set()
        self.links: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append(tag)
        self.ids.add(found.get("id") or "")
        self.links.add(found.get("href") or found.get("src") or "")
        assert "style" not in found


@pytest.fixture(scope="module")
def page() -> _Page:
    response = asked("/api/v1/docs")
    assert isinstance(response.body, bytes)
    parsed = _Page()
    parsed.feed(response.body.decode())
    return parsed


def test_the_page_shows_every_operation_and_every_schema(page: _Page) -> None:
    assert {row.operation_id for row in ROUTES} <= page.ids
    assert {f"schema-{name}" for name in schemas.models()} <= page.ids


def test_the_page_needs_nothing_from_elsewhere(page: _Page) -> None:
    assert not {"script", "link", "img", "iframe"} & set(page.tags)
    local = {link for link in page.links if link and not link.startswith("#")}
    assert local == {"openapi.json"}
    assert {link[1:] for link in page.links if link.startswith("#")} <= page.ids


def test_the_pages_style_is_the_only_one_its_policy_allows() -> None:
    import base64
    import hashlib

    response = asked("/api/v1/docs")
    assert isinstance(response.body, bytes)
    style = response.body.decode().partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policies = [value for name, value in response.headers if name == "Content-Security-Policy"]
    assert len(policies) == 1
    assert f"style-src 'sha256-{digest}'" in policies[0]
    assert "unsafe" not in policies[0]


def test_every_json_answer_and_every_body_has_an_example_that_fits(document: dict[str, Any]) -> None:
    seen = 0
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            for status, response in operation["responses"].items():
                for content in response.get("content", {}).values():
                    if "$ref" not in content["schema"]:
                        continue
                    whole = {**content["schema"], "components": document["components"]}
                    errors = [error.message for error in Draft202012Validator(whole).iter_errors(content["example"])]
                    assert not errors, (method, path, status, errors, content["example"])
                    seen += 1
    for row in ROUTES:
        if row.body is not None:
            whole = {"$ref": f"#/components/schemas/{row.body}", "components": document["components"]}
            Draft202012Validator(whole).validate(openapi_examples.example(row.body))
    assert seen > 300
