"""Templates: what they may say, what they may not, and that nothing makes them fail or grow without bound."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.template import LONGEST_TEXT, render

WEB = {
    "name": "web",
    "updateKind": {"kind": "tag", "localValue": "1.2.3", "remoteValue": "1.3.0"},
    "result": {"link": "https://example.com/1.3.0", "tag": "1.3.0"},
}
VARIABLES = {"container": WEB, "containers": [WEB, {"name": "db"}], "name": "web", "count": 2}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("New ${container.updateKind.kind} found for container ${name}", "New tag found for container web"),
        ("${containers.length} updates available", "2 updates available"),
        (
            '${container.result && container.result.link ? "\\n" + container.result.link : ""}',
            "\nhttps://example.com/1.3.0",
        ),
        ('${container.security && container.security.scan ? "scanned" : "unknown"}', "unknown"),
        ("${container.name.toUpperCase().substring(0, 2)}", "WE"),
        ("${name.slice(-2)} ${name.replace('w', 'v')} ${'a.b.c'.replaceAll('.', '-')}", "eb veb a-b-c"),
        ("${containers[1].name} ${container['name']} ${containers[9].name}", "db web "),
        ("${count > 1 ? 'many' : 'one'} ${count === 2} ${count + 1} ${!count}", "many true 3 false"),
        ("${missing || 'none'} ${container.nothing.at.all}", "none "),
        ("${'}'} ${\"it's\"}", "} it's"),
        ("no end ${name", "no end ${name"),
        ("plain $name {name}", "plain $name {name}"),
    ],
)
def test_a_template_says(template: str, text: str) -> None:
    assert render(template, VARIABLES) == text


@pytest.mark.parametrize(
    "expression",
    [
        "__import__('os').system('true')",
        "name.__class__.__mro__",
        "name.constructor('return 1')()",
        "name.format(container)",
        "name.toUpperCase.call(name)",
        "(() => 1)()",
        "container.keys()",
        "container",
        "containers",
        "name = 'x'",
        "1 +",
        "'a' 'b'",
        "name.repeat(1000000000)",
        "(" * 1000 + "1" + ")" * 1000,
        "!" * 3000 + "name",
        "-" * 4000 + "1",
        "9**9**9",
        "999999999999999*999999999999999",
        "name['__class__']",
        "name.__class__",
        "container.__dict__",
        "name.encode()",
        "name.replace(/(a+)+$/, '')",
        "name.toUpperCase(1)",
        "true?" * 45 + "1",
        "1" + "+1" * 249,
        "a" * 5000,
    ],
)
def test_whatever_is_not_allowed_renders_empty(expression: str) -> None:
    assert render("<${" + expression + "}>", VARIABLES) == "<>"


def test_no_text_grows_without_bound() -> None:
    tenfold = "${" + "+".join(["name"] * 100) + "}"
    assert len(render(tenfold * 40, {"name": "x" * 60_000})) == LONGEST_TEXT
    assert render("${name.replaceAll('', name)}", {"name": "x" * 60_000}) == ""


@given(st.text(max_size=200))
def test_any_text_is_rendered_without_an_error(template: str) -> None:
    assert isinstance(render(template, VARIABLES), str)


@given(st.text("nameconti.r[]()'\"\\&|?:+!<>=-0123456789 ,$}", max_size=80))
def test_any_expression_is_rendered_without_an_error(expression: str) -> None:
    assert isinstance(render("${" + expression + "}", VARIABLES), str)


@given(st.text(max_size=50).filter(lambda text: "${" not in text))
def test_text_without_expressions_stays_as_it_is(template: str) -> None:
    assert render(template, VARIABLES) == template


@given(st.text(max_size=100))
def test_a_value_is_never_read_as_a_template(value: str) -> None:
    assert render("${v}", {"v": "${name}" + value, "name": "leaked"}) == "${name}" + value
