"""Settings about who may come in."""

from __future__ import annotations

import pytest

from chalicelib.config import BadSetting, load


@pytest.mark.parametrize("name", ["DD_SESSION_SECRET", "DD_SERVER_METRICS_TOKEN"])
def test_a_secret_that_could_be_guessed_is_refused(name: str) -> None:
    with pytest.raises(BadSetting, match=f"{name} must have at least 16 characters"):
        load({name: "fifteen letters"})
    found = load({name: "sixteen letters!"})
    assert "sixteen letters!" in (found.session_secret, found.metrics_token)


def test_an_empty_session_secret_is_none_for_that_is_how_the_template_says_so() -> None:
    assert load({"DD_SESSION_SECRET": ""}).session_secret is None
