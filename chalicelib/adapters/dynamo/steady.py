"""A scan that is made at every request: prepared by the client now and then, sent as it was prepared in between."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from botocore.exceptions import HTTPClientError

from chalicelib.adapters.dynamo.container import pages
from chalicelib.adapters.dynamo.together import Together
from chalicelib.wire import json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from botocore.awsrequest import AWSPreparedRequest

KEPT_SECONDS = 30.0
"""How long a prepared request is sent again. Its signature holds for five minutes, and says nothing of what is read."""


class SteadyScan:
    """The items of a table of one page: what they are now, each time; those who ask at the same time share an answer.

    What the client does for a request (endpoint, headers, signature, parsing for any service) takes longer than the
    scan itself; it does so every half minute. Whatever does not go as expected is asked once more by the client, with
    all its patience. Attributes come as DynamoDB's JSON has them, binary in base64.
    """

    def __init__(
        self, client: Any, request: Mapping[str, Any], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._request = request
        self._monotonic = monotonic
        self._asking: int | None = None
        self._prepared: AWSPreparedRequest | None = None
        self._until = 0.0
        self.items: Callable[[], list[Mapping[str, Any]]] = Together(self._items)
        """All items now. Raises what the client raises."""
        client.meta.events.register("before-send.dynamodb.Scan", self._keep)

    def _items(self) -> list[Mapping[str, Any]]:
        found = self._sent_again() if self._monotonic() < self._until else None
        return self._asked() if found is None else found

    def _sent_again(self) -> list[Mapping[str, Any]] | None:
        if self._prepared is None:
            return None
        try:
            # The client's own: its connections, certificates and proxies.
            answer = self._client._endpoint.http_session.send(self._prepared)
            body = json.loads(answer.content) if answer.status_code == 200 else {}
        except (HTTPClientError, ValueError):
            return None
        return list(body["Items"]) if "Items" in body and "LastEvaluatedKey" not in body else None

    def _asked(self) -> list[Mapping[str, Any]]:
        self._prepared = None
        with self._listening():
            found: list[Mapping[str, Any]] = list(pages(self._client.scan, **self._request))
        self._until = self._monotonic() + KEPT_SECONDS
        return found

    @contextmanager
    def _listening(self) -> Iterator[None]:
        self._asking = threading.get_ident()
        try:
            yield
        finally:
            self._asking = None

    def _keep(self, request: AWSPreparedRequest, **_: Any) -> None:
        """Called by the client before it sends any scan: the first page of ours is kept."""
        if self._asking == threading.get_ident() and self._prepared is None:
            self._prepared = request
