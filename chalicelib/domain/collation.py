"""The order people expect of names: punctuation, digits, letters; lower case first; accents beside their letter."""

from __future__ import annotations

import unicodedata

_PUNCTUATION = {sign: weight for weight, sign in enumerate(" _-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$")}

NameKey = tuple[tuple[tuple[int, int], ...], tuple[str, ...], tuple[bool, ...], str]


def name_key(name: str) -> NameKey:
    """A sort key that follows the Unicode root collation for what container names are made of.

    Digits compare as characters, so `a1 < a10 < a2`. Equal but for accents, then but for case, then by code points.
    """
    letters: list[tuple[int, int]] = []
    accents: list[str] = []
    upper: list[bool] = []
    for sign in unicodedata.normalize("NFD", name):
        if unicodedata.combining(sign):
            if accents:
                accents[-1] += sign
            continue
        folded = sign.casefold()
        letters.append(_primary(folded))
        accents.append("")
        upper.append(sign != folded)
    return tuple(letters), tuple(accents), tuple(upper), name


def _primary(sign: str) -> tuple[int, int]:
    if sign in _PUNCTUATION:
        return 0, _PUNCTUATION[sign]
    first = ord(sign[0])
    if sign.isdigit():
        return 2, first
    return (3, first) if sign.isalpha() else (1, first)
