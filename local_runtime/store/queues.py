"""SQS as a service: moto's queues behind one condition variable; definitions are durable, messages are not."""

from __future__ import annotations

import logging
import re
import threading
import time
from typing import Any

from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult
from moto.core.utils import camelcase_to_underscores
from moto.sqs.models import Queue, SQSBackend, sqs_backends
from moto.sqs.responses import SQSResponse
from werkzeug.exceptions import HTTPException

from local_runtime.store.engine import ACCOUNT, REGION
from local_runtime.store.faults import Fault
from local_runtime.store.journal import Journal, JournalError
from local_runtime.store.values import encoded, plain, with_binary_decoded

log = logging.getLogger(__name__)

DEFINITION_CHANGES = {"CreateQueue", "DeleteQueue", "SetQueueAttributes", "TagQueue", "UntagQueue"}
OFFERED = DEFINITION_CHANGES | {
    "GetQueueUrl",
    "ListQueues",
    "GetQueueAttributes",
    "ListQueueTags",
    "ListDeadLetterSourceQueues",
    "SendMessage",
    "SendMessageBatch",
    "ReceiveMessage",
    "DeleteMessage",
    "DeleteMessageBatch",
    "ChangeMessageVisibility",
    "ChangeMessageVisibilityBatch",
    "PurgeQueue",
}
NAMESPACE = "com.amazonaws.sqs"
LONGEST_WAIT = 20
_HANDLES_REMEMBERED = 10_000
# Codes of the query protocol whose shape in the JSON protocol has another name; SDKs find exceptions by shape.
_SHAPES = {"AWS.SimpleQueueService.NonExistentQueue": "QueueDoesNotExist", "QueueAlreadyExists": "QueueNameExists"}


class QueueFault(Fault):
    """An SQS error; `query_error` goes into the header by which SDKs know the codes of the older protocol."""

    def __init__(self, kind: str, code: str, message: str, status: int = 400):
        super().__init__(kind, message, status=status, namespace=NAMESPACE)
        self.query_error = f"{code};{'Sender' if status < 500 else 'Receiver'}"


class Queues:
    """All queues. Every operation runs under one condition variable; a long poll waits on it, holding nothing."""

    def __init__(self, journal: Journal):
        self._journal = journal
        # moto finds dead letter queues through its registry, so our backend has to stand there.
        self._backend = sqs_backends[ACCOUNT][REGION] = SQSBackend(REGION, ACCOUNT)
        self._changed = threading.Condition()
        self._closing = False
        self.waiting = 0  # open long polls
        self._definitions = journal.queue_definitions()
        # A queue with a dead letter queue needs that one to exist first.
        for name, definition in sorted(
            self._definitions.items(), key=lambda pair: "RedrivePolicy" in pair[1]["attributes"]
        ):
            self._load(name, definition)

    def _load(self, name: str, definition: dict[str, Any]) -> None:
        try:
            self._backend.create_queue(name, dict(definition["tags"]), **definition["attributes"])
        except ServiceException as error:  # its dead letter queue is gone
            log.warning("queue %s comes back without its redrive policy: %s", name, error)
            attributes = {k: v for k, v in definition["attributes"].items() if k != "RedrivePolicy"}
            self._backend.create_queue(name, dict(definition["tags"]), **attributes)

    def __len__(self) -> int:
        return len(self._backend.queues)

    def call(self, operation: str, request: dict[str, Any], endpoint: str) -> bytes:
        """The JSON body of the answer; queue URLs in it begin with `endpoint`. Raises Fault."""
        if operation not in OFFERED:
            raise QueueFault(
                "UnsupportedOperation", "AWS.SimpleQueueService.UnsupportedOperation", f"no {operation} here"
            )
        request = _with_binary_attributes(request)
        if operation == "ReceiveMessage":
            return self._receive(request, endpoint)
        with self._changed:
            if operation in DEFINITION_CHANGES:
                return self._define(operation, request, endpoint)
            answer = self._ask_moto(operation, request, endpoint)
            self._changed.notify_all()
            return encoded(plain(answer))

    def close(self) -> None:
        """Answer every open long poll with what is there, and let none begin."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()

    def _receive(self, request: dict[str, Any], endpoint: str) -> bytes:
        with self._changed:
            queue = self._backend.queues.get(_queue_name(request))
            wait = request.get("WaitTimeSeconds")
            if wait is None and queue is not None:
                wait = queue.receive_message_wait_time_seconds  # type: ignore[attr-defined]
            if queue is None or not isinstance(wait, int) or not 0 <= wait <= LONGEST_WAIT:
                return encoded(plain(self._ask_moto("ReceiveMessage", request, endpoint)))  # moto words the error
            deadline = time.monotonic() + wait
            while True:
                _tidy(queue)
                answer = self._ask_moto("ReceiveMessage", {**request, "WaitTimeSeconds": 0}, endpoint)
                left = deadline - time.monotonic()
                if answer or left <= 0 or self._closing or self._backend.queues.get(queue.name) is not queue:
                    return encoded(plain(answer))
                self.waiting += 1
                self._changed.wait(min(left, _until_visible(queue)))
                self.waiting -= 1

    def _define(self, operation: str, request: dict[str, Any], endpoint: str) -> bytes:
        """Change a definition and make it durable; on failure the queues are as the journal has them."""
        name = request.get("QueueName", "") if operation == "CreateQueue" else _queue_name(request)
        before = self._backend.queues.get(name)
        known = self._definitions.get(name)
        answer = self._ask_moto(operation, request, endpoint)
        queue = self._backend.queues.get(name)
        definition = _definition(queue, operation, request, known) if queue is not None else None
        if definition != known:
            try:
                self._journal.commit(queues=[(name, definition)])
            except JournalError as error:
                self._restore(name, before, known)
                raise QueueFault("InternalFailure", "InternalFailure", f"not stored: {error}", status=500) from error
            if definition is None:
                self._definitions.pop(name, None)
            else:
                self._definitions[name] = definition
        self._changed.notify_all()
        return encoded(plain(answer))

    def _restore(self, name: str, before: Queue | None, known: dict[str, Any] | None) -> None:
        if before is None or known is None:
            self._backend.queues.pop(name, None)
            return
        messages = before._messages, before._pending_messages
        self._backend.queues.pop(name, None)
        self._load(name, known)
        queue = self._backend.queues[name]
        queue._messages, queue._pending_messages = messages

    def _ask_moto(self, operation: str, request: dict[str, Any], endpoint: str) -> dict[str, Any]:
        handler = SQSResponse()
        handler.params, handler.uri_match, handler.uri, handler.path = request, {}, endpoint, "/"
        handler.current_account, handler.region = ACCOUNT, REGION
        try:
            result: ActionResult = getattr(handler, camelcase_to_underscores(operation))()
        except ServiceException as error:
            raise _fault(error.code, error.message) from error
        except HTTPException as error:
            raise _fault(type(error).__name__, str(error)) from error
        except (ValueError, TypeError, KeyError, AttributeError, re.error) as error:
            log.warning("moto could not carry out %s: %r", operation, error, exc_info=log.isEnabledFor(logging.DEBUG))
            raise _fault("InvalidParameterValue", f"{type(error).__name__}: {error}") from error
        found: dict[str, Any] = result.result or {}  # type: ignore[assignment]
        return found


def _fault(code: str, message: str) -> QueueFault:
    return QueueFault(_SHAPES.get(code, code.rpartition(".")[2]), code, message)


def _queue_name(request: dict[str, Any]) -> str:
    return str(request.get("QueueUrl", "")).rpartition("/")[2]


def _definition(queue: Queue, operation: str, request: dict[str, Any], known: dict[str, Any] | None) -> dict[str, Any]:
    """What CreateQueue needs to make this queue again: only what clients set, for CreateQueue compares it."""
    attributes = dict(known["attributes"]) if known else {}
    if operation == "SetQueueAttributes" or (operation == "CreateQueue" and known is None):
        attributes |= request.get("Attributes") or {}
    return {"attributes": attributes, "tags": dict(queue.tags)}


def _tidy(queue: Queue) -> None:
    """Forget what moto keeps for ever: messages past their retention, and handles of deleted messages."""
    oldest = (time.time() - queue.message_retention_period) * 1000  # type: ignore[attr-defined]
    if queue._messages and (queue._messages[0].sent_timestamp or 0) <= oldest:
        queue._messages = [message for message in queue._messages if (message.sent_timestamp or 0) > oldest]
    if len(queue.deleted_messages) > _HANDLES_REMEMBERED:
        queue.deleted_messages.clear()


def _until_visible(queue: Queue) -> float:
    """Seconds until the next message in flight or delayed can be received; at least a millisecond."""
    due = min((max(message.visible_at, message.delayed_until) for message in queue._messages), default=float("inf"))
    return max(0.001, due / 1000 - time.time() + 0.001)


def _with_binary_attributes(request: dict[str, Any]) -> dict[str, Any]:
    """Message attributes name their binary member differently; show it to the decoder in its own spelling."""
    return {name: _decoded_attributes(name, value) for name, value in request.items()}


def _decoded_attributes(name: str, value: Any) -> Any:
    if name == "Entries" and isinstance(value, list):
        return [_with_binary_attributes(entry) if isinstance(entry, dict) else entry for entry in value]
    if name in ("MessageAttributes", "MessageSystemAttributes") and isinstance(value, dict):
        return {attribute: _with_bytes(content) for attribute, content in value.items()}
    return value


def _with_bytes(content: Any) -> Any:
    if isinstance(content, dict) and isinstance(content.get("BinaryValue"), str):
        return {**content, "BinaryValue": with_binary_decoded({"B": content["BinaryValue"]})["B"]}
    return content
