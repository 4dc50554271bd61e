"""Keys and attribute values of the embedded store."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto.dynamodb.models.dynamo_type import DynamoType

from local_runtime.store.faults import Fault
from local_runtime.store.values import NotAKey, key_text, key_value, plain, with_binary_decoded

numbers = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30)


@pytest.mark.parametrize("spelling", ["100", "1E2", "100.0", "1.00e+2", "0100"])
def test_a_number_is_one_key_however_it_is_spelt(spelling: str) -> None:
    assert key_text((key_value({"N": spelling}, "N"),)) == key_text((key_value({"N": "100"}, "N"),))


def test_zero_has_no_sign() -> None:
    assert key_text((key_value({"N": "-0"}, "N"),)) == key_text((key_value({"N": "0.000"}, "N"),))


def test_all_38_digits_tell_keys_apart() -> None:
    one, other = "1" * 37 + "1", "1" * 37 + "2"
    assert key_text((key_value({"N": one}, "N"),)) != key_text((key_value({"N": other}, "N"),))


@given(numbers, numbers)
def test_key_texts_are_equal_exactly_when_the_numbers_are(a: object, b: object) -> None:
    first, second = (key_value({"N": str(number)}, "N") for number in (a, b))
    assert (key_text((first,)) == key_text((second,))) == (first == second)


@given(st.text(min_size=1), st.binary(min_size=1))
def test_a_text_is_never_the_key_of_a_binary(text: str, blob: bytes) -> None:
    assert key_text((text,)) != key_text((blob,))


@pytest.mark.parametrize(
    "value", [{"S": ""}, {"N": "1"}, {"S": 1}, {}, None, {"S": "a", "N": "1"}, DynamoType({"NULL": True})]
)
def test_what_is_not_a_text_is_no_text_key(value: object) -> None:
    with pytest.raises(NotAKey):
        key_value(value, "S")


def test_a_word_is_no_number_key() -> None:
    with pytest.raises(NotAKey):
        key_value({"N": "ten"}, "N")


def test_binaries_are_decoded_wherever_they_stand_and_come_back_the_same() -> None:
    sent = {
        "Item": {"B": {"B": "AP8="}, "l": {"L": [{"BS": ["AA==", "/w=="]}, {"S": "B"}]}, "m": {"M": {"B": {"S": "B"}}}}
    }
    decoded = with_binary_decoded(sent)
    assert decoded["Item"]["B"] == {"B": b"\x00\xff"}
    assert decoded["Item"]["l"]["L"][0] == {"BS": [b"\x00", b"\xff"]}
    assert plain({name: DynamoType(value) for name, value in decoded["Item"].items()}) == sent["Item"]


def test_text_that_is_not_base64_is_refused() -> None:
    with pytest.raises(Fault, match="Base64"):
        with_binary_decoded({"Item": {"b": {"B": "not base64!"}}})
