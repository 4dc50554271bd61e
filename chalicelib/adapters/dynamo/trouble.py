"""What DynamoDB's errors mean in domain words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError
from pynamodb.exceptions import PynamoDBConnectionError, PynamoDBException

from chalicelib.domain.errors import Stale, Unavailable

_ARN = re.compile(r"\barn:[^\s\"']+")
_CONDITION = "ConditionalCheckFailedException"


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Run store calls; raises Stale for a lost condition, Unavailable for everything the store could not do."""
    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] == _CONDITION:
            raise Stale(f"{what} has changed meanwhile") from error
        raise Unavailable(_told(f"the store could not handle {what}: {error}")) from error
    except PynamoDBConnectionError as error:
        if error.cause_response_code == _CONDITION:
            raise Stale(f"{what} has changed meanwhile") from error
        said = error.cause_response_message or error
        raise Unavailable(_told(f"the store could not handle {what}: {said}")) from error
    except (BotoCoreError, PynamoDBException) as error:
        raise Unavailable(_told(f"the store does not answer ({what}): {error}")) from error


def _told(text: str) -> str:
    """Strangers read it before they have logged in: nothing of whose account it is, and of who asks there."""
    return _ARN.sub("(a resource)", text)
