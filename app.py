"""The Lambda door: Chalice on API Gateway over the route table."""

from __future__ import annotations

from typing import Any

from chalice.app import CaseInsensitiveMapping, Chalice, Response, WebsocketEvent

from chalicelib.bootstrap import services
from chalicelib.wire.log_line import adopt_lambda_log
from handlers.dispatch import dispatch
from handlers.gateway import request_of, response_parts
from handlers.gateway_sockets import connected, ignored
from handlers.routes import ROUTES

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]

adopt_lambda_log()
app = Chalice(app_name="slipway", configure_logs=False)
app.experimental_feature_flags.add("WEBSOCKETS")
app.api.binary_types = ["*/*"]


def answer(**_path_parameters: str) -> Response:
    """Answer any request: dispatch knows the row, and says 404 and 405 in our own words."""
    request = app.current_request
    status, headers, body = response_parts(dispatch(request_of(request.to_original_event()), services()))
    # With binary bodies Chalice asks for an Accept header that names a binary type; most clients send none.
    request.headers = CaseInsensitiveMapping({**request.headers, "accept": "*/*"})
    return Response(body, headers, status)


PATHS: dict[str, Any] = dict.fromkeys(["/", "/{proxy+}", *(route.path for route in ROUTES)])
for path in PATHS:
    app.route(path, methods=METHODS, content_types=["*/*"], name=path)(answer)


@app.on_ws_connect()
def open_stream(event: WebsocketEvent) -> dict[str, int]:
    """Let a viewer of a log in."""
    return connected(event.to_dict(), services())


@app.on_ws_message()
def hear_viewer(event: WebsocketEvent) -> dict[str, int]:
    """Take what a viewer says."""
    return ignored(event.to_dict(), services())


@app.on_ws_disconnect()
def close_stream(event: WebsocketEvent) -> dict[str, int]:
    """Note that a viewer has left."""
    return ignored(event.to_dict(), services())
