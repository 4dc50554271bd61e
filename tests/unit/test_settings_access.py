"""Settings about who may come in."""

from __future__ import annotations

import pytest

from chalicelib.config import BadSetting, load

HASH = "$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA"


def users(**variables: str) -> object:
    return load({f"DD_AUTH_BASIC_{name}": value for name, value in variables.items()}).basic_users


@pytest.mark.parametrize("name", ["DD_SESSION_SECRET", "DD_SERVER_METRICS_TOKEN"])
def test_a_secret_that_could_be_guessed_is_refused(name: str) -> None:
    with pytest.raises(BadSetting, match=f"{name} must have at least 16 characters"):
        load({name: "fifteen letters"})
    found = load({name: "sixteen letters!"})
    assert "sixteen letters!" in (found.session_secret, found.metrics_token)


def test_an_empty_session_secret_is_none_for_that_is_how_the_template_says_so() -> None:
    assert load({"DD_SESSION_SECRET": ""}).session_secret is None


def test_a_user_has_a_name_and_a_hash_in_one_of_two_forms() -> None:
    assert users(ADA_USER="ada", ADA_HASH=HASH, BOB_USER="bob", BOB_HASH="argon2id$65536$3$4$c2FsdA==$aGFzaA==") == {
        "ada": HASH,
        "bob": "$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA",
    }


def test_half_a_user_is_refused() -> None:
    with pytest.raises(BadSetting, match="DD_AUTH_BASIC_ADA_USER and DD_AUTH_BASIC_ADA_HASH must both be set"):
        users(ADA_USER="ada")


@pytest.mark.parametrize("hashed", ["s3cret", "$2b$12$bcrypt", "=19=65536,t=3,p=4"])
def test_what_is_no_argon2id_hash_is_refused_with_its_variable_and_never_shown(hashed: str) -> None:
    with pytest.raises(BadSetting, match="DD_AUTH_BASIC_ADA_HASH: A password hash must be argon2id") as refused:
        users(ADA_USER="ada", ADA_HASH=hashed)
    assert hashed not in str(refused.value)
