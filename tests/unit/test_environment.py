"""Which variables hold secrets, and how the words of other programs are shown."""

from __future__ import annotations

import pytest
from docker.errors import APIError

from chalicelib.domain.environment import without, without_secrets
from chalicelib.ports.engine import EngineError
from local_runtime.engine.client import translated


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("proxy http://ada:s3cret@proxy:3128/ refuses", "proxy http://***@proxy:3128/ refuses"),
        ("proxy http://ada:s3@cr@et@proxy:3128/ refuses", "proxy http://***@proxy:3128/ refuses"),
        ("invalid variable DB_PASSWORD=s3cret, TZ=UTC", "invalid variable DB_PASSWORD=***, TZ=UTC"),
        ('bad "API_KEY=s3cret"', 'bad "API_KEY=***"'),
        (f"{'x' * 40}://ada:s3cret@hub.test", f"{'x' * 40}://***@hub.test"),
        ("unauthorized: authentication required", "unauthorized: authentication required"),
        ("no image web@sha256:00ff", "no image web@sha256:00ff"),
        ("Get https://ghcr.io/v2/a@b: denied", "Get https://ghcr.io/v2/a@b: denied"),
    ],
)
def test_words_of_others_are_shown_without_passwords(said: str, shown: str) -> None:
    assert without_secrets(said) == shown


@pytest.mark.parametrize(
    ("said", "secrets", "shown"),
    [
        ("no s3cret here, nor s3cret-too", {"s3cret", "s3cret-too"}, "no *** here, nor ***"),
        ("the pin is 123", {"123", ""}, "the pin is ***"),
    ],
)
def test_known_secrets_are_masked_the_longest_first_however_short_they_are(
    said: str, secrets: set[str], shown: str
) -> None:
    assert without(said, secrets) == shown


def test_an_engine_that_quotes_a_password_is_heard_without_it() -> None:
    with pytest.raises(EngineError) as caught, translated():
        raise APIError("", explanation="Get https://ada:s3cret@hub.test/v2/: TOKEN=s3cret is refused")
    assert str(caught.value) == "Get https://***@hub.test/v2/: TOKEN=*** is refused"
