"""One page of a sorted range: where it starts, where a limit or a megabyte ends it, and how to go on."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass

from local_runtime.store.shelf import Image, Ordering
from local_runtime.store.values import SortKey

PAGE_LIMIT = 1_000_000
"""Bytes of items in one page, as moto counts the megabyte."""


@dataclass(frozen=True, slots=True)
class Page:
    """`last` is the image a further page starts after; None when this page is the last."""

    images: list[Image]
    last: Image | None


def turn(
    ordering: Ordering,
    whole: tuple[int, int],
    matching: tuple[int, int],
    *,
    forward: bool,
    after: SortKey | None,
    limit: int | None,
) -> Page:
    """Collect images from `matching`, a range of positions inside the partition `whole`.

    What lies in the partition behind the matching range is never read, but may earn the page a `last` once it is
    full: DynamoDB and moto both say "there may be more" then.
    """
    (start, end), (first, stop) = whole, matching
    keys, images = ordering.keys, ordering.images
    if forward:
        if after is not None:
            first = max(first, bisect_right(keys, after))
        positions, rest = range(first, stop), range(max(stop, first), end)
    else:
        if after is not None:
            stop = min(stop, bisect_left(keys, after))
        positions, rest = range(stop - 1, first - 1, -1), range(min(first, stop) - 1, start - 1, -1)
    found: list[Image] = []
    size = 0
    for position in positions:
        image = images[keys[position]]
        if len(found) == limit or size + image.size > PAGE_LIMIT:
            return Page(found, found[-1])
        found.append(image)
        size += image.size
    if len(found) == limit and rest:
        return Page(found, found[-1])
    return Page(found, None)
