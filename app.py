"""The Lambda door: Chalice on API Gateway over the route table."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from chalice.app import CaseInsensitiveMapping, Chalice, CloudWatchEvent, Rate, Response, SQSEvent, WebsocketEvent

from chalicelib.bootstrap import services
from chalicelib.wire.log_line import adopt_lambda_log
from handlers.dispatch import dispatch
from handlers.gateway import request_of, response_parts
from handlers.gateway_queue import swept, woken
from handlers.gateway_sockets import connected, heard, left, tended
from handlers.own_log import tell
from handlers.routes import ROUTES

if TYPE_CHECKING:
    from chalicelib.usecases.deliver import Deliver

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]

adopt_lambda_log()
app = Chalice(app_name="slipway", configure_logs=False)
app.experimental_feature_flags.add("WEBSOCKETS")
app.api.binary_types = ["*/*"]


def answer(**_path_parameters: str) -> Response:
    """Answer any request: dispatch knows the row, and says 404 and 405 in our own words."""
    request = app.current_request
    status, headers, body = response_parts(dispatch(request_of(request.to_original_event()), services()))
    tell(services())
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
    return heard(event.to_dict(), services())


@app.on_ws_disconnect()
def close_stream(event: WebsocketEvent) -> dict[str, int]:
    """Note that a viewer has left."""
    return left(event.to_dict(), services())


@cache
def sender() -> Deliver:
    """Whoever sends here; a request of the gateway needs none of it."""
    from chalicelib.sending import on_the_queue

    return on_the_queue(services())


@app.on_sqs_message(queue="slipway-notifications", batch_size=10, maximum_concurrency=2)
def notify(event: SQSEvent) -> dict[str, Any]:
    """Send what executors have put into the outbox."""
    return woken(event.to_dict(), services(), sender().due, _left(event.context))


@app.schedule(Rate(1, unit=Rate.MINUTES))
def sweep(event: CloudWatchEvent) -> int:
    """Send what has become due: further attempts, digests."""
    from chalicelib.sending import ELSEWHERE

    return swept(services(), sender().due, _left(event.context), ELSEWHERE)


@app.schedule(Rate(1, unit=Rate.MINUTES))
def tend_viewers(_event: CloudWatchEvent) -> int:
    """Let viewers go whose executor is dead."""
    return tended(services())


def _left(context: Any) -> int:
    """Milliseconds until Lambda ends this call."""
    return int(context.get_remaining_time_in_millis())
