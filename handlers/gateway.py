"""API Gateway's REST events to requests, and responses to what such an event is answered with."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

from chalicelib.wire import json
from handlers.http import JSON, Request, Response

STREAM_SECONDS = 12.0
"""How long a stream lasts at most where it is drained into one body; its client comes back for the rest.

Longer than containers' samples are apart: each coming back is a request that counts.
"""
MOST_BYTES = 4_500_000
"""Lambda answers with 6 MB at most, of which a quarter is the body's encoding."""
_OF_THE_BODY = ("content-type", "content-encoding", "content-disposition", "content-length", "etag")


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
    """Status, headers (a list where one comes more than once) and the whole body; streams are drained.

    A body that Lambda would not let through becomes a 413 that says so.
    """
    body = response.body if isinstance(response.body, bytes) else b"".join(response.body)
    if len(body) > MOST_BYTES:
        response, body = _too_large(response)
    headers: dict[str, str | list[str]] = {}
    for name, value in response.headers:
        earlier = headers.get(name)
        if earlier is None:
            headers[name] = value
        elif isinstance(earlier, list):
            earlier.append(value)
        else:
            headers[name] = [earlier, value]
    return response.status, headers, body


def _too_large(response: Response) -> tuple[Response, bytes]:
    advice = "Ask for less of it." if response.header("content-encoding") else "Ask for less of it, or accept gzip."
    body = json.dumps({"error": f"This answer is larger than API Gateway lets through. {advice}"})
    kept = tuple(header for header in response.headers if header[0].lower() not in _OF_THE_BODY)
    return replace(response, status=413, headers=(("Content-Type", JSON), *kept)), body
