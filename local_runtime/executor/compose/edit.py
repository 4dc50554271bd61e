"""The image of a service in one compose file: where its text stands, and the file with nothing but that changed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ruamel.yaml import YAML
from ruamel.yaml.docinfo import DocInfo
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from chalicelib.domain.compose import NotEditable

LARGEST = 1024 * 1024
_MERGE, _NULL = "tag:yaml.org,2002:merge", "tag:yaml.org,2002:null"
_MOST_NODES = 2000
_PROPERTIES = re.compile(r"(?:[&!]\S*\s+)*")
_DEEPEST_MERGE = 20


@dataclass(frozen=True, slots=True)
class Place:
    """Where an image's text stands in a file: `start` and `end` count characters, inside any quotes."""

    start: int
    end: int
    text: str


class ComposeFile:
    """One file, read. Raises NotEditable when it is no readable YAML of bearable size."""

    def __init__(self, content: bytes) -> None:
        if len(content) > LARGEST:
            raise NotEditable(f"the compose file is larger than {LARGEST // 1024} kB")
        self.content = content
        try:
            self._text = content.decode("utf-8")
            self._documents = list(_documents(self._text))
        except UnicodeDecodeError as error:
            raise NotEditable("the compose file is not in UTF-8") from error
        except Exception as error:  # Besides its own errors the parser raises whatever odd input leads to.
            raise NotEditable(f"the compose file cannot be read: {_trouble(error)}") from error

    def services(self) -> set[str]:
        """The services it describes."""
        found = (_member(document, "services") for document in self._documents)
        return {
            key.value for services in found if isinstance(services, MappingNode) for key, _ in services.value if key
        }

    def service(self, name: str) -> list[Node]:
        """Each description of that service, in the order in which they override one another."""
        found = []
        for document in self._documents:
            services = _member(document, "services")
            described = _member(services, name) if services is not None else None
            if described is not None:
                found.append(described)
        return found

    def extends(self, service: str) -> str | None:
        """What the service builds upon, in words; None when it stands for itself."""
        for described in reversed(self.service(service)):
            base = _member(described, "extends")
            if isinstance(base, ScalarNode):
                return f"service {base.value}"
            if base is not None:
                file, name = _member(base, "file"), _member(base, "service")
                return f"service {_word(name)}" + (f" of {_word(file)}" if file is not None else "")
        return None

    def includes(self) -> list[str]:
        """The files it includes, as it names them."""
        found: list[str] = []
        for document in self._documents:
            for entry in _items(_member(document, "include")):
                path = _member(entry, "path") if isinstance(entry, MappingNode) else entry
                found += [one.value for one in _items(path) if isinstance(one, ScalarNode)]
        return found

    def image(self, service: str) -> Place | None:
        """Where the service's image is said; None when it is not said here. Raises NotEditable."""
        for described in reversed(self.service(service)):
            said = _member(described, "image")
            if said is not None:
                return self._place(said)
        return None

    def post_start(self, service: str) -> list[object]:
        """Its post_start entries: mappings, lists and text. Raises NotEditable when they are too many to be meant."""
        described = (_member(one, "post_start") for one in self.service(service))
        left = [_MOST_NODES]
        return [_plain(entry, left) for one in described for entry in _items(one)]

    def with_image(self, service: str, image: str) -> bytes:
        """The content with another image for the service, every other byte as it was. Raises NotEditable."""
        place = self.image(service)
        if place is None:
            raise NotEditable(f"the compose file says no image for {service}")
        if image == place.text:
            return self.content
        changed = (self._text[: place.start] + image + self._text[place.end :]).encode("utf-8")
        if ComposeFile(changed)._outline(service) != self._outline(service, image):
            raise NotEditable("the edited compose file would say more than the new image")
        return changed

    def _place(self, node: Node) -> Place:
        if not isinstance(node, ScalarNode):
            raise NotEditable("its image in the compose file is no text")
        start, end = node.start_mark.index, node.end_mark.index
        properties = _PROPERTIES.match(self._text, start, end)
        start = properties.end() if properties else start
        written = self._text[start:end]
        if written[:1] in "'\"" and len(written) >= 2 and written[-1] == written[0]:
            start, end, written = start + 1, end - 1, written[1:-1]
        if written != node.value or not written:
            raise NotEditable("its image in the compose file is written in a way that cannot be kept")
        return Place(start, end, written)

    def _outline(self, service: str, image: str | None = None) -> list[object]:
        """Everything the file says, with `image` in place of the service's."""
        place = self.image(service)
        where = None if image is None or place is None else place
        return [_outline(document, where, image, {}) for document in self._documents]


def _trouble(error: Exception) -> str:
    """What is wrong and where, without the line itself, which may be secret: others see it in a preview."""
    if isinstance(error, MarkedYAMLError) and error.problem_mark is not None:
        return f"{error.problem}, line {error.problem_mark.line + 1}"
    return type(error).__name__


def _documents(text: str) -> Iterator[Node]:
    yaml = YAML(typ="rt", pure=True)
    # What loading would do first; a %YAML line is noted there.
    yaml.doc_infos.append(DocInfo())
    constructor, _ = yaml.get_constructor_parser(text)
    while constructor.composer.check_node():
        document = constructor.composer.get_node()
        if document is not None:
            yield document


def _member(node: Node | None, name: str, depth: int = 0) -> Node | None:
    """The value of a key, its own or merged in from others by `<<`."""
    if not isinstance(node, MappingNode) or depth > _DEEPEST_MERGE:
        return None
    merged: list[Node] = []
    for key, value in reversed(node.value):
        if isinstance(key, ScalarNode) and key.tag == _MERGE:
            merged += _items(value)
        elif isinstance(key, ScalarNode) and key.value == name:
            own: Node = value
            return own
    found = (_member(one, name, depth + 1) for one in merged)
    return next((one for one in found if one is not None), None)


def _items(node: Node | None) -> list[Node]:
    if node is None:
        return []
    return list(node.value) if isinstance(node, SequenceNode) else [node]


def _plain(node: Node, left: list[int]) -> object:
    """What a node says, its scalars as text; `left` counts down, for shared nodes may say a lot in few bytes."""
    left[0] -= 1
    if left[0] < 0:
        raise NotEditable("the post_start entries of the compose file are too long")
    if isinstance(node, ScalarNode):
        return None if node.tag == _NULL else str(node.value)
    if isinstance(node, SequenceNode):
        return [_plain(one, left) for one in node.value]
    found: dict[str, object] = {}
    for key, value in node.value:
        if key.tag == _MERGE:
            for one in reversed(_items(value)):
                merged = _plain(one, left)
                found = {**merged, **found} if isinstance(merged, dict) else found
        else:
            found[str(key.value)] = _plain(value, left)
    return found


def _word(node: Node | None) -> str:
    return str(node.value) if isinstance(node, ScalarNode) else "?"


def _outline(node: Node, place: Place | None, image: str | None, known: dict[int, object]) -> object:
    """A value equal to that of every node that says the same; `known` keeps shared nodes from being told twice."""
    if id(node) in known:
        return known[id(node)]
    known[id(node)] = ("again", len(known))
    said: object
    if isinstance(node, ScalarNode):
        here = place is not None and node.start_mark.index <= place.start < node.end_mark.index
        said = (str(node.tag), image if here else node.value)
    elif isinstance(node, MappingNode):
        said = [(_outline(key, place, image, known), _outline(value, place, image, known)) for key, value in node.value]
    else:
        said = [_outline(one, place, image, known) for one in node.value]
    known[id(node)] = ("again", len(known))
    return said
