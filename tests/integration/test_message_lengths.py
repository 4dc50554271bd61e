"""A fleet's news are longer than a service takes: they arrive cut, and say what is missing."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests.integration.receivers.web import Receiver
from tests.integration.telling import PUSHED, WEB, notice, tell, trigger

LONGEST: Mapping[str, tuple[int, Callable[[Any], str]]] = {
    "discord": (4096, lambda said: said["embeds"][0]["description"]),
    "mattermost": (16_383, lambda said: said["text"]),
    "matrix": (65_536, lambda said: said["body"]),
    "ntfy": (4096, lambda said: said["message"]),
    "pushover": (1024, lambda said: said["message"]),
    "rocketchat": (5000, lambda said: said["text"]),
    "teams": (28_000, lambda said: said["attachments"][0]["content"]["body"][1]["text"]),
    # It counts what is left once escapes are read.
    "telegram": (4096, lambda said: re.sub(r"\\(.)", r"\1", said["text"])),
    "googlechat": (4096, lambda said: said["text"]),
}
WORDS: Mapping[str, Mapping[str, str]] = {
    "ntfy": {"topic": "news"},
    "pushover": PUSHED,
    "matrix": {"roomid": "!r:x", "accesstoken": "syt_token"},
    "telegram": {"bottoken": "123456789:AABBCCDDEEFFaabbccddeeff00112233445", "chatid": "12315544"},
    "googlechat": {
        "url": "https://chat.googleapis.com/v1/spaces/AAAA1234/messages?key=theKeyOfIt1&token=theTokenOfIt1"
    },
}


@pytest.mark.parametrize("kind", sorted(LONGEST))
def test_a_batch_too_long_for_a_service_says_how_much_of_it_is_missing(web: Receiver, kind: str) -> None:
    longest, text_of = LONGEST[kind]
    url = {} if kind in ("pushover", "telegram") else {"url": web.url}
    one = trigger(kind, **url | WORDS.get(kind, {}), mode="batch")
    notices = [replace(notice(one, f"{number:040}"), identity=replace(WEB.identity, name=f"web-{number:04}"))
               for number in range(1500)]  # fmt: skip
    tell(one, *notices)
    text = text_of(web.only.json)
    assert len(text.encode()) <= longest and "- web: 1.2.3" in text
    shown, missing = text.count("web: 1.2.3"), int(text.rsplit("… and ", 1)[1].split(" ")[0])
    assert shown + missing == 1500


def test_one_line_too_long_for_a_service_is_cut(web: Receiver) -> None:
    for kind in ("rocketchat", "ntfy"):
        tell(trigger(kind, url=web.url, simplebody="ü" * 16_000, **WORDS.get(kind, {})))
    chat, push = (sent.json for sent in web.requests)
    assert 4000 < len(chat["text"]) <= 5000 and chat["text"].endswith("ü…")
    assert 1000 < len(push["message"].encode()) <= 4096 and push["message"].endswith("ü…")
