"""One SQS queue per agent, `{prefix}commands-{agent}`, and `{prefix}notifications`; made here when we may."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.domain.errors import Unavailable
from chalicelib.ports.queues import NOTIFICATIONS, WakeUp

_MISSING = ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist")
_VISIBILITY_SECONDS = "60"
_RETENTION_SECONDS = "3600"


class SqsQueue:
    """Standard queues whose messages are command ids. With `create` a missing queue is made."""

    def __init__(self, client: Any, prefix: str, *, create: bool) -> None:
        self._client = client
        self._prefix = prefix
        self._create = create
        self._urls: dict[str, str] = {}
        self._lock = threading.Lock()

    def wake(self, agent: str, command_id: str) -> None:
        """Tell the agent's executor to look at a command."""
        self._call(agent, lambda url: self._client.send_message(QueueUrl=url, MessageBody=command_id))

    def receive(self, agent: str, wait_seconds: int) -> Sequence[WakeUp]:
        """Up to ten messages, waiting up to that long for the first."""
        answer = self._call(
            agent,
            lambda url: self._client.receive_message(
                QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=wait_seconds
            ),
        )
        return [WakeUp(message["Body"], message["ReceiptHandle"]) for message in answer.get("Messages", ())]

    def done(self, agent: str, wake_up: WakeUp) -> None:
        """Do not deliver this message again."""
        self._call(agent, lambda url: self._client.delete_message(QueueUrl=url, ReceiptHandle=wake_up.receipt))

    def give_back(self, agent: str, wake_up: WakeUp) -> None:
        """Deliver this message again at once."""
        again = {"ReceiptHandle": wake_up.receipt, "VisibilityTimeout": 0}
        self._call(agent, lambda url: self._client.change_message_visibility(QueueUrl=url, **again))

    def _call(self, agent: str, call: Any) -> Any:
        try:
            try:
                return call(self._url(agent))
            except ClientError as error:
                if error.response["Error"]["Code"] not in _MISSING:
                    raise
                self._urls.pop(agent, None)
                return call(self._url(agent))
        except (ClientError, BotoCoreError) as error:
            raise Unavailable(f"the queue of agent {agent} does not answer: {error}") from error

    def _url(self, agent: str) -> str:
        with self._lock:
            if agent not in self._urls:
                self._urls[agent] = self._find(self._prefix + _name(agent))
            return self._urls[agent]

    def _find(self, name: str) -> str:
        try:
            return str(self._client.get_queue_url(QueueName=name)["QueueUrl"])
        except ClientError as error:
            if not self._create or error.response["Error"]["Code"] not in _MISSING:
                raise
        attributes = {"VisibilityTimeout": _VISIBILITY_SECONDS, "MessageRetentionPeriod": _RETENTION_SECONDS}
        return str(self._client.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"])


def _name(line: str) -> str:
    return "notifications" if line == NOTIFICATIONS else f"commands-{line}"
