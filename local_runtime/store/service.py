"""From an HTTP request to the operation its X-Amz-Target names, and back."""

from __future__ import annotations

import itertools
import json
import logging
import os
import time
from dataclasses import replace
from typing import Any

from local_runtime.store.door import Answer, Request
from local_runtime.store.faults import Fault
from local_runtime.store.queues import QueueFault, Queues
from local_runtime.store.signature import Signatures
from local_runtime.store.tables import Tables

log = logging.getLogger(__name__)

DYNAMODB_TARGET = "DynamoDB_20120810"
SQS_TARGET = "AmazonSQS"


class Service:
    """Answers requests that are signed: other users of this machine reach a loopback port, too."""

    def __init__(self, tables: Tables, queues: Queues, signatures: Signatures):
        self._signatures = signatures
        self._tables = tables
        self._queues = queues
        self._started = time.monotonic()
        self._numbers = itertools.count(1)

    def handle(self, request: Request) -> Answer:
        if request.method == "GET" and request.path == "/":
            return Answer(json.dumps(self._health()).encode(), content_type="application/json")
        if request.method != "POST":
            return Answer(b"", 405, "text/plain", (("Allow", "GET, POST"),))
        if request.path.count("/") not in (1, 2) or "?" in request.path:  # "/" or a queue URL's "/account/queue"
            return Answer(b"", 404, "text/plain")
        # A browser sends this type across origins only after a preflight, which is answered with 405.
        if not request.headers.get("content-type", "").startswith("application/x-amz-json-1."):
            return Answer(b"", 415, "text/plain")
        return self._operation(request)

    def _health(self) -> dict[str, Any]:
        return {
            "name": "slipway-store",
            "pid": os.getpid(),
            "items": len(self._tables),
            "tables": len(self._tables.names()),
            "queues": len(self._queues),
            "longPolls": self._queues.waiting,
            "uptime": round(time.monotonic() - self._started, 3),
        }

    def _operation(self, request: Request) -> Answer:
        request_id = ("x-amzn-RequestId", f"{os.getpid()}-{next(self._numbers)}")
        try:
            self._signatures.check(request)
        except Fault as fault:
            return Answer(fault.body(), fault.status, headers=(request_id,))
        return replace(self._carried_out(request, request_id), proven=True)

    def _carried_out(self, request: Request, request_id: tuple[str, str]) -> Answer:
        try:
            return Answer(self._call(request), headers=(request_id,))
        except QueueFault as fault:
            return Answer(fault.body(), fault.status, headers=(request_id, ("x-amzn-query-error", fault.query_error)))
        except Fault as fault:
            return Answer(fault.body(), fault.status, headers=(request_id,))
        except Exception as error:
            log.exception("%s failed", request.headers.get("x-amz-target"))
            failure = Fault("InternalServerError", f"{type(error).__name__}: {error}", status=500)
            return Answer(failure.body(), failure.status, headers=(request_id,))

    def _call(self, request: Request) -> bytes:
        service, _, operation = request.headers.get("x-amz-target", "").partition(".")
        try:
            content = json.loads(request.body or b"{}")
        except (ValueError, RecursionError):
            raise Fault("SerializationException", "The request is not JSON") from None
        if not isinstance(content, dict):
            raise Fault("SerializationException", "The request is not a JSON object")
        if service == DYNAMODB_TARGET:
            return self._tables.call(operation, content)
        if service == SQS_TARGET:
            endpoint = f"http://{request.headers.get('host', '')}"
            if "QueueUrl" not in content and request.path.count("/") == 2:
                content["QueueUrl"] = endpoint + request.path
            return self._queues.call(operation, content, endpoint)
        raise Fault("UnknownOperationException", f"X-Amz-Target names neither {DYNAMODB_TARGET} nor {SQS_TARGET}")
