"""Where what providers send arrives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from chalicelib.adapters.notify import web as own
from tests.integration.receivers.web import Receiver, web_receiver


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """A receiver, to which requests of Apprise's to anywhere else, and ours to Pushover, are led too."""
    with web_receiver() as receiver:
        real = requests.adapters.HTTPAdapter.send

        def led(adapter: Any, request: Any, **options: Any) -> Any:
            parts = urlsplit(request.url)
            if parts.hostname != "127.0.0.1":
                request.headers["X-Meant-For"] = parts.netloc
                request.url = f"{receiver.url}{parts.path}?{parts.query}"
            return real(adapter, request, **options)

        monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", led)
        monkeypatch.setattr(own, "PUSHOVER", receiver.url)
        yield receiver
