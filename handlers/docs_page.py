"""The OpenAPI document as one page of HTML: no script, nothing from elsewhere, light and dark."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from functools import cache
from html import escape
from typing import Any

from handlers.browser import POLICY

Json = dict[str, Any]

_STYLE = """
:root{color-scheme:light dark;--ink:#1b2430;--soft:#5b6878;--line:#dde3ea;--paper:#fff;--tint:#f5f7fa;--get:#1769aa;
--post:#2c7a3f;--patch:#a05a00;--delete:#b3261e}
@media(prefers-color-scheme:dark){:root{--ink:#e3e8ee;--soft:#93a1b1;--line:#2c3644;--paper:#12181f;--tint:#1a222c;
--get:#6cb6f5;--post:#71c986;--patch:#f0b050;--delete:#ff8a80}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:60rem;padding:2rem 1.25rem 4rem;background:var(--paper);color:var(--ink);
font:16px/1.55 system-ui,sans-serif}
h1{font-size:1.9rem;margin:0}h2{font-size:1.2rem;margin:2.2rem 0 .2rem}h3{font-size:.85rem;margin:1rem 0 .3rem;
color:var(--soft);text-transform:uppercase;letter-spacing:.05em}
p{margin:.3rem 0 .8rem}.soft{color:var(--soft)}a{color:var(--get)}
details{border:1px solid var(--line);border-radius:8px;margin:.5rem 0;background:var(--tint)}
summary{cursor:pointer;padding:.6rem .9rem;display:flex;gap:.8rem;align-items:baseline;flex-wrap:wrap}
details>div{padding:0 .9rem .9rem;border-top:1px solid var(--line)}
.method{font:700 .8rem ui-monospace,monospace;min-width:3.6rem}
.get{color:var(--get)}.post,.put{color:var(--post)}.patch{color:var(--patch)}.delete{color:var(--delete)}
code,pre{font:.85rem/1.5 ui-monospace,monospace}pre{overflow:auto;background:var(--paper);border:1px solid var(--line);
border-radius:6px;padding:.7rem;margin:.4rem 0}
table{border-collapse:collapse;width:100%;font-size:.92rem}td{padding:.3rem .8rem .3rem 0;vertical-align:top;
border-top:1px solid var(--line)}tr:first-child td{border-top:0}td:first-child{white-space:nowrap}
nav a{margin-right:1rem}
"""
_METHODS = ("get", "post", "put", "patch", "delete")


@cache
def render(version: str) -> tuple[bytes, str]:
    """The page, and the Content-Security-Policy that allows its one style sheet by hash."""
    from handlers.openapi import build

    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    policy = POLICY.replace("style-src 'self'", f"style-src 'sha256-{digest}'")
    return _page(build(version)).encode(), policy


def _page(document: Json) -> str:
    info = document["info"]
    tags = [tag["name"] for tag in document["tags"]]
    links = "".join(f'<a href="#{escape(tag)}">{escape(tag)}</a>' for tag in [*tags, "schemas"])
    sections = "".join(_section(document, tag) for tag in document["tags"])
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(info["title"])} API</title>'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><style>{_STYLE}</style></head><body>'
        f'<h1>{escape(info["title"])} API <span class="soft">{escape(info["version"])}</span></h1>'
        f'<p>{_prose(info["description"])} This page as data: <a href="openapi.json">openapi.json</a>.</p>'
        f"<nav>{links}</nav>{sections}{_schemas(document)}</body></html>\n"
    )


def _section(document: Json, tag: Json) -> str:
    name = tag["name"]
    rows = [
        _operation(path, method, operations[method])
        for path, operations in document["paths"].items()
        for method in _METHODS
        if method in operations and name in operations[method]["tags"]
    ]
    about = f'<p class="soft">{_prose(tag.get("description", ""))}</p>'
    return f'<h2 id="{escape(name)}">{escape(name.capitalize())}</h2>{about}{"".join(rows)}'


def _operation(path: str, method: str, operation: Json) -> str:
    parts = [f"<p>{_prose(operation['description'])}</p>"] if "description" in operation else []
    if "security" in operation:
        parts.append('<p class="soft">Open to everybody.</p>')
    if operation.get("parameters"):
        parts.append(f"<h3>Parameters</h3><table>{''.join(map(_parameter, operation['parameters']))}</table>")
    if "requestBody" in operation:
        optional = "" if operation["requestBody"]["required"] else " (optional)"
        parts.append(f"<h3>Body{optional}</h3><p>{_content(operation['requestBody'])}</p>")
    answers = "".join(_answer(status, answer) for status, answer in operation["responses"].items())
    parts.append(f"<h3>Answers</h3><table>{answers}</table>")
    return (
        f'<details id="{escape(operation["operationId"])}">'
        f'<summary><span class="method {method}">{method.upper()}</span>'
        f'<code>{escape(path)}</code><span class="soft">{_prose(operation["summary"])}</span></summary>'
        f"<div>{''.join(parts)}</div></details>"
    )


def _parameter(parameter: Json) -> str:
    schema = parameter["schema"]
    allowed = f" One of: {', '.join(map(str, schema['enum']))}." if "enum" in schema else ""
    default = f" Default {schema['default']}." if "default" in schema else ""
    where = "" if parameter["in"] == "query" else f' <span class="soft">{parameter["in"]}</span>'
    text = _prose(parameter.get("description", "")) + escape(allowed + default)
    name = f"<code>{escape(parameter['name'])}</code>{where}"
    return f"<tr><td>{name}</td><td>{escape(schema['type'])}</td><td>{text}</td></tr>"


def _answer(status: str, answer: Json) -> str:
    return f"<tr><td><code>{status}</code></td><td>{_prose(answer['description'])}</td><td>{_content(answer)}</td></tr>"


def _content(holder: Json) -> str:
    return ", ".join(_media(media, value["schema"]) for media, value in holder.get("content", {}).items())


def _media(media: str, schema: Json) -> str:
    if "$ref" not in schema:
        return escape(media)
    name = schema["$ref"].rpartition("/")[2]
    return f'<a href="#schema-{escape(name)}">{escape(name)}</a>'


def _schemas(document: Json) -> str:
    rows = (
        f'<details id="schema-{escape(name)}"><summary><code>{escape(name)}</code>'
        f'<span class="soft">{_prose(schema.get("description", ""))}</span></summary>'
        f"<div><pre>{_linked(schema)}</pre></div></details>"
        for name, schema in document["components"]["schemas"].items()
    )
    return f'<h2 id="schemas">Schemas</h2>{"".join(rows)}'


def _linked(schema: Json) -> str:
    text = escape(json.dumps(schema, indent=2, ensure_ascii=False), quote=False)
    return re.sub(r'"#/components/schemas/(\w+)"', r'<a href="#schema-\1">\1</a>', text)


def _prose(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))
