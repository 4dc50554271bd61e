"""What the store answers instead of a result: an AWS error type, a message and an HTTP status."""

from __future__ import annotations

import json


class Fault(Exception):
    """An answer other than 200, in the words of the AWS JSON protocols.

    `kind` is the short error type (`ValidationException`), `namespace` the service's shape prefix.
    """

    def __init__(
        self, kind: str, message: str, *, status: int = 400, namespace: str = "com.amazonaws.dynamodb.v20120810"
    ):
        super().__init__(f"{kind}: {message}")
        self.kind = kind
        self.message = message
        self.status = status
        self.namespace = namespace

    def body(self) -> bytes:
        """The JSON error document; both spellings of the message, as AWS services differ in it."""
        error_type = f"{self.namespace}#{self.kind}"
        return json.dumps({"__type": error_type, "message": self.message, "Message": self.message}).encode()


class NotCovered(Exception):
    """A read the shelf does not answer; moto does, error messages included."""


def invalid(message: str) -> Fault:
    return Fault("ValidationException", message)


def not_durable(cause: Exception) -> Fault:
    """The change could not be written to disk, so it did not happen."""
    return Fault("InternalServerError", f"the change was not stored and has been undone: {cause}", status=500)
