"""Compose files people really write, each with the text of `web`'s image and what it becomes by the move to 2.0."""

from __future__ import annotations

from typing import NamedTuple

DIGEST = "sha256:" + "a" * 64
NEW_DIGEST = "sha256:" + "b" * 64


class Sample(NamedTuple):
    """`old` stands exactly once in `content`, after `at`; `new` is what the edit puts there."""

    content: bytes
    old: str
    new: str
    at: int = 0


def _sample(content: str, old: str = "app:1.0", new: str = "app:2.0", after: str = "") -> Sample:
    """The edited text is the first `old` behind the first `after`."""
    raw = content.encode()
    return Sample(raw, old, new, raw.index(old.encode(), raw.index(after.encode()) if after else 0))


EDITABLE = {
    "plain": _sample("services:\n  web:\n    image: app:1.0\n"),
    "comment behind": _sample("services:\n  web:\n    image: app:1.0   # keep me: app:1.0\n    restart: always\n"),
    "comments around": _sample(
        "# app:9\nservices:\n  # image: app:1.0\n  web: # x\n    image: app:1.0\n", after="web:"
    ),
    "double quotes": _sample('services:\n  web:\n    image: "app:1.0"\n'),
    "single quotes": _sample("services:\n  web:\n    image: 'app:1.0' # q\n"),
    "crlf": _sample("services:\r\n  web:\r\n    image: app:1.0\r\n    ports:\r\n      - 80:80\r\n"),
    "byte order mark": _sample("\ufeffservices:\n  web:\n    image: app:1.0\n"),
    "no newline at the end": _sample("services:\n  web:\n    image: app:1.0"),
    "flow": _sample("services: {web: {image: app:1.0, restart: always}, db: {image: 'app:1.0'}}\n"),
    "json": _sample('{"services": {"web": {"image": "app:1.0", "ports": ["80:80"]}}}\n'),
    "other service first": _sample("services:\n  db:\n    image: app:1.0\n  web:\n    image: app:1.0\n", after="web:"),
    "service like another": _sample(
        "services:\n  web2:\n    image: app:1.0\n  web:\n    image: app:1.0\n", after="  web:"
    ),
    "old version key": _sample("version: '3.8'\nservices:\n  web:\n    image: app:1.0\nvolumes:\n  data: {}\n"),
    "deep and odd indents": _sample("services:\n      web:\n            image:    app:1.0\n            tty: yes\n"),
    "image on the next line": _sample("services:\n  web:\n    image:\n      app:1.0\n"),
    "quoted keys": _sample("'services':\n  \"web\":\n    'image': app:1.0\n"),
    "registry with a port": _sample(
        "services:\n  web:\n    image: reg.test:5000/team/app:1.0\n",
        "reg.test:5000/team/app:1.0",
        "reg.test:5000/team/app:2.0",
    ),
    "spelled out": _sample(
        "services:\n  web:\n    image: docker.io/library/app:1.0\n",
        "docker.io/library/app:1.0",
        "docker.io/library/app:2.0",
    ),
    "no tag": _sample("services:\n  web:\n    image: app # latest\n", "app #", "app:2.0 #"),
    "tag and digest": _sample(
        f"services:\n  web:\n    image: app:1.0@{DIGEST}\n", f"app:1.0@{DIGEST}", f"app:2.0@{NEW_DIGEST}"
    ),
    "digest alone": _sample(f"services:\n  web:\n    image: app@{DIGEST}\n", f"app@{DIGEST}", f"app:2.0@{NEW_DIGEST}"),
    "anchored": _sample("services:\n  web:\n    image: &img app:1.0\n  job:\n    image: *img\n"),
    "aliased": _sample("x-img: &img app:1.0\nservices:\n  web:\n    image: *img\n"),
    "merged": _sample(
        "x-base: &base\n  image: app:1.0\n  restart: always\nservices:\n  web:\n    <<: *base\n    tty: true\n"
    ),
    "merged from a list": _sample(
        "x-a: &a {tty: true}\nx-b: &b {image: app:1.0}\nservices:\n  web:\n    <<: [*a, *b]\n"
    ),
    "own image over a merged one": _sample(
        "x-b: &b {image: app:1.0}\nservices:\n  web:\n    <<: *b\n    image: app:1.0\n", after="<<"
    ),
    "tagged": _sample("services:\n  web:\n    image: !!str app:1.0\n"),
    "reset of compose": _sample(
        "services:\n  web:\n    image: app:1.0\n    ports: !reset []\n    env: !override {A: 1}\n"
    ),
    "two documents": _sample(
        "services:\n  web:\n    image: app:0.1\n---\nservices:\n  web:\n    image: app:1.0\n", after="---"
    ),
    "directive and ends": _sample("%YAML 1.2\n---\nservices:\n  web:\n    image: app:1.0\n...\n"),
    "umlauts before": _sample('# Größe — 漢字 🐳\nservices:\n  web:\n    labels: {x: "ü🐳"}\n    image: app:1.0\n'),
    "block scalars beside": _sample(
        "services:\n  web:\n    command: |\n      image: app:1.0\n      x\n    image: app:1.0\n", after="x\n"
    ),
    "variable registry": _sample(
        "services:\n  web:\n    image: ${REGISTRY:-docker.io}/library/app:1.0\n",
        "${REGISTRY:-docker.io}/library/app:1.0",
        "${REGISTRY:-docker.io}/library/app:2.0",
    ),
    "variable with a port": _sample("services:\n  web:\n    image: $HOST/app:1.0\n", "$HOST/app:1.0", "$HOST/app:2.0"),
    "an empty service beside": _sample("services:\n  other:\n  web:\n    image: app:1.0\n"),
}
"""By what is special about them."""

REFUSED = {
    "tag is a variable": "services:\n  web:\n    image: app:${TAG}\n",
    "default inside": "services:\n  web:\n    image: ${IMAGE:-app:1.0}\n",
    "all is a variable": "services:\n  web:\n    image: $IMAGE\n",
    "another image": "services:\n  web:\n    image: other:1.0\n",
    "tag of another version behind a variable": "services:\n  web:\n    image: ${R}/app:0.9\n",
    "several lines": "services:\n  web:\n    image: >-\n      app:1.0\n",
    "escapes": 'services:\n  web:\n    image: "app\\x3a1.0"\n',
    "built": "services:\n  web:\n    build: .\n",
    "no such service": "services:\n  db:\n    image: app:1.0\n",
    "no services": "web:\n  image: app:1.0\n",
    "extends": "services:\n  web:\n    extends: {file: base.yml, service: app}\n",
    "no text": "services:\n  web:\n    image: [app:1.0]\n",
    "null": "services:\n  web:\n    image:\n",
    "broken": "services:\n  web: [\n",
    "empty": "",
    "a list": "- services\n",
    "a tab behind it": "services:\n  web:\n    image: app:1.0\t# tab\n",
    "not an image": "services:\n  web:\n    image: 'App: 1'\n",
}
"""What is not edited, by why."""
