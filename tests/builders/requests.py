"""Requests as a door would hand them to dispatch, and the same as events of API Gateway."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import parse_qs, urlsplit

from handlers.http import Request

ADA = "Basic " + base64.b64encode(b"ada:difference engine").decode()


def request(method: str, target: str, *, body: bytes = b"", client: str = "192.0.2.7", **headers: str) -> Request:
    """A request from ada, unless `authorization` says otherwise; `content_type=…` stands for `content-type`."""
    parts = urlsplit(target)
    return Request(
        method=method,
        path=parts.path,
        query=parse_qs(parts.query, keep_blank_values=True),
        headers=_headers(body, headers),
        body=body,
        client=client,
        host="slipway.test",
        id="request-1",
    )


def event(method: str, target: str, *, body: bytes = b"", **headers: str) -> dict[str, Any]:
    """The event API Gateway's REST API makes of such a request; every body is base64, as with binary types `*/*`."""
    parts = urlsplit(target)
    query = parse_qs(parts.query, keep_blank_values=True)
    sent = {"host": "slipway.test", "x-forwarded-proto": "https", **_headers(body, headers)}
    return {
        "resource": "/{proxy+}",
        "path": parts.path,
        "httpMethod": method,
        "headers": sent,
        "multiValueHeaders": {name: [value] for name, value in sent.items()},
        "queryStringParameters": {name: values[-1] for name, values in query.items()} or None,
        "multiValueQueryStringParameters": query or None,
        "pathParameters": {"proxy": parts.path.lstrip("/")},
        "stageVariables": None,
        "requestContext": {
            "resourcePath": "/{proxy+}",
            "httpMethod": method,
            "path": f"/api{parts.path}",
            "requestId": "request-1",
            "identity": {"sourceIp": "192.0.2.7"},
        },
        "body": base64.b64encode(body).decode() if body else None,
        "isBase64Encoded": bool(body),
    }


def _headers(body: bytes, headers: dict[str, str]) -> dict[str, str]:
    sent = {"authorization": ADA, **{name.replace("_", "-"): value for name, value in headers.items()}}
    if body:
        sent.setdefault("content-type", "application/json")
        sent.setdefault("content-length", str(len(body)))
    return {name: value for name, value in sent.items() if value}
