"""API Gateway's REST events to requests, and responses to what such an event is answered with."""

from __future__ import annotations

import base64
from typing import Any

from handlers.http import Request, Response

STREAM_SECONDS = 3.0
"""How long a stream lasts where it is drained into one body; its client comes back for the rest."""


def request_of(event: dict[str, Any]) -> Request:
    """The neutral request of an event."""
    many = event.get("multiValueHeaders") or {name: [value] for name, value in (event.get("headers") or {}).items()}
    headers = {name.lower(): ("; " if name.lower() == "cookie" else ", ").join(values) for name, values in many.items()}
    body = event.get("body") or ""
    context = event["requestContext"]
    return Request(
        method=event["httpMethod"],
        path=event["path"],
        query=event.get("multiValueQueryStringParameters") or {},
        headers=headers,
        body=base64.b64decode(body) if event.get("isBase64Encoded") else body.encode(),
        client=context.get("identity", {}).get("sourceIp") or "",
        scheme=headers.get("x-forwarded-proto", "https"),
        host=headers.get("host", ""),
        id=context.get("requestId", ""),
        stream_seconds=STREAM_SECONDS,
    )


def response_parts(response: Response) -> tuple[int, dict[str, str | list[str]], bytes]:
    """Status, headers (a list where one comes more than once) and the whole body; streams are drained."""
    headers: dict[str, str | list[str]] = {}
    for name, value in response.headers:
        earlier = headers.get(name)
        if earlier is None:
            headers[name] = value
        elif isinstance(earlier, list):
            earlier.append(value)
        else:
            headers[name] = [earlier, value]
    body = response.body if isinstance(response.body, bytes) else b"".join(response.body)
    return response.status, headers, body
