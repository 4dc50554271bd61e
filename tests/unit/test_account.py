"""Accounts: hashes, sessions, and the first administrator."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from threading import Thread

import pytest

from chalicelib.adapters.accounts_configured import ConfiguredAccounts
from chalicelib.adapters.passwords_argon2 import Argon2Passwords
from chalicelib.adapters.sessions_signed import SignedSessions
from chalicelib.domain.account import Account, Session, phc
from chalicelib.domain.errors import Stale, Unauthenticated
from chalicelib.usecases.authenticate import Credentials, Identified, authenticate
from chalicelib.usecases.create_first_account import create_first_account
from chalicelib.usecases.open_session import open_session
from handlers.guards import doorkeeper
from tests.fakes.accounts import FakeAccounts, FakePasswords, FakeTokens
from tests.fakes.services import NOON, FakeServices

ADA = Account("ada", "plain:difference engine", NOON)
SECRET = b"a secret for tests only, 32 bytes"


class TestHashes:
    """argon2id, in two notations."""

    def test_phc_stays_as_it_is(self) -> None:
        assert phc("$argon2id$v=19$m=1,t=2,p=3$c2FsdA$aGFzaA") == "$argon2id$v=19$m=1,t=2,p=3$c2FsdA$aGFzaA"

    def test_the_short_notation_is_understood_and_can_be_checked(self) -> None:
        passwords = Argon2Passwords()
        _, _, _, parameters, salt, digest = passwords.hash("s3cret").split("$")
        memory, passes, lanes = (part[2:] for part in parameters.split(","))
        short = f"argon2id${memory}${passes}${lanes}${salt}=${digest}="
        assert passwords.verify(phc(short), "s3cret")

    @pytest.mark.parametrize(
        "text", ["", "secret", "{SHA}abc", "$2b$12$abc", "$argon2i$v=19$m=1,t=1,p=1$a$b", "argon2id$1$2"]
    )
    def test_any_other_hash_is_refused(self, text: str) -> None:
        with pytest.raises(ValueError, match="argon2id"):
            phc(text)

    def test_only_the_password_matches_its_hash(self) -> None:
        passwords = Argon2Passwords()
        hashed = passwords.hash("difference engine")
        assert hashed.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
        assert passwords.verify(hashed, "difference engine")
        assert not passwords.verify(hashed, "difference engine ")
        assert not passwords.verify(hashed, "\ud800")

    @pytest.mark.parametrize("broken", ["", "nothing", "$argon2id$v=19$m=1,t=1,p=1$!$!"])
    def test_a_hash_that_cannot_be_read_matches_nothing(self, broken: str) -> None:
        assert not Argon2Passwords().verify(broken, "")

    def test_a_check_that_succeeded_is_remembered_and_one_that_failed_is_not(self) -> None:
        passwords = Argon2Passwords()
        hashed = passwords.hash("difference engine")
        passwords.verify(hashed, "difference engine")
        started = time.perf_counter()
        for _ in range(200):
            assert passwords.verify(hashed, "difference engine")
        remembered = time.perf_counter() - started
        started = time.perf_counter()
        assert not passwords.verify(hashed, "analytical engine")
        assert remembered / 200 < (time.perf_counter() - started) / 3

    def test_what_is_remembered_belongs_to_one_hash(self) -> None:
        passwords = Argon2Passwords()
        old, new = passwords.hash("old"), passwords.hash("new")
        assert passwords.verify(old, "old")
        assert not passwords.verify(new, "old")


class TestSessionTexts:
    """A session as a text."""

    def test_it_is_read_as_it_was_written(self) -> None:
        sessions = SignedSessions(SECRET)
        session = Session("zoë", "id-1", NOON + timedelta(days=1), "abc")
        assert sessions.read(sessions.write(session), NOON) == session

    def test_it_ends(self) -> None:
        sessions = SignedSessions(SECRET)
        text = sessions.write(Session("ada", "id-1", NOON))
        assert sessions.read(text, NOON - timedelta(seconds=1)) is not None
        assert sessions.read(text, NOON) is None

    def test_another_secret_does_not_read_it(self) -> None:
        text = SignedSessions(SECRET).write(Session("ada", "id-1", NOON))
        assert SignedSessions(b"x" * 32).read(text, NOON - timedelta(days=1)) is None

    @pytest.mark.parametrize("text", ["", ".", "a.b", "WyJhIl0.x", "é", "a" * 5000])
    def test_any_other_text_is_no_session(self, text: str) -> None:
        assert SignedSessions(SECRET).read(text, NOON) is None


def _authenticate(
    shown: Credentials, *, anonymous: bool = False, vouched: Callable[[], bool] = lambda: False
) -> Identified:
    return authenticate(
        shown,
        doorkeeper=doorkeeper(FakeServices(accounts=FakeAccounts(ADA))),
        sessions=SignedSessions(SECRET),
        tokens=FakeTokens(),
        vouch=lambda _token: None,
        vouched=vouched,
        anonymous=anonymous,
        now=NOON,
    )


class TestAuthenticate:
    """Who is asking."""

    def test_a_session_counts_more_than_a_wrong_password(self) -> None:
        text = SignedSessions(SECRET).write(open_session("ada", "id-9", NOON, ADA.fingerprint))
        found = _authenticate(Credentials("ada", "wrong", text))
        assert (found.name, found.scheme, found.session_id) == ("ada", "session", "id-9")

    def test_a_session_that_is_over_does_not_spoil_a_right_password(self) -> None:
        assert _authenticate(Credentials("ada", "difference engine", "over")).scheme == "basic"

    def test_where_everybody_may_come_in_a_wrong_password_changes_nothing(self) -> None:
        assert _authenticate(Credentials("ada", "wrong"), anonymous=True).name == "anonymous"

    def test_no_store_is_asked_for_a_name_that_none_could_keep(self) -> None:
        store = FakeAccounts(Account("a" * 257, "plain:x"))
        keeper = doorkeeper(FakeServices(accounts=store))
        assert keeper.verified("a" * 257, "x") is None
        assert keeper.verified("a" * 256, "x") is None

    def test_providers_are_looked_for_only_for_those_they_have_vouched_for(self) -> None:
        """What providers need may not be installed: that must keep nobody else out."""
        kept = [open_session("ada", "id-9", NOON, ADA.fingerprint), open_session("ada", "id-9", NOON)]
        ours, theirs = map(SignedSessions(SECRET).write, kept)
        asked: list[str] = []
        for shown in (Credentials(session=ours), Credentials("ada", "difference engine")):
            _authenticate(shown, vouched=lambda: bool(asked.append("x")))  # type: ignore[func-returns-value]
        assert asked == []
        assert _authenticate(Credentials(session=theirs), vouched=lambda: True).scheme == "oidc"
        with pytest.raises(Unauthenticated):
            _authenticate(Credentials(session=theirs))

    @pytest.mark.parametrize(
        "shown",
        [Credentials(), Credentials("ada", "wrong"), Credentials("bob", ""), Credentials(session="x"), Credentials("")],
    )
    def test_everybody_else_is_refused(self, shown: Credentials) -> None:
        with pytest.raises(Unauthenticated):
            _authenticate(shown)


class TestFirstAccount:
    """A fresh installation."""

    def test_an_administrator_is_made_whose_password_works(self) -> None:
        accounts, passwords = FakeAccounts(), FakePasswords()
        password = create_first_account(accounts, passwords, anonymous=False, now=NOON)
        admin = accounts.get("admin")
        assert admin is not None
        assert password is not None
        assert len(password) >= 20
        assert passwords.verify(admin.password_hash, password)

    def test_nobody_is_made_a_second_time(self) -> None:
        accounts = FakeAccounts()
        create_first_account(accounts, FakePasswords(), anonymous=False, now=NOON)
        assert create_first_account(accounts, FakePasswords(), anonymous=False, now=NOON) is None

    def test_nobody_is_made_where_somebody_is_or_nobody_is_needed(self) -> None:
        assert create_first_account(FakeAccounts(ADA), FakePasswords(), anonymous=False, now=NOON) is None
        empty = FakeAccounts()
        assert create_first_account(empty, FakePasswords(), anonymous=True, now=NOON) is None
        assert not empty.any()

    def test_of_two_servers_that_start_at_once_one_tells_the_password(self) -> None:
        class Racing(FakeAccounts):
            def any(self) -> bool:
                return False

        accounts = Racing()
        told = [create_first_account(accounts, FakePasswords(), anonymous=False, now=NOON) for _ in range(2)]
        assert told[0] is not None
        assert told[1] is None


class TestConfiguredAccounts:
    """Accounts that settings declare."""

    def test_a_declared_account_hides_a_stored_one_of_that_name(self) -> None:
        declared = Account("ada", "plain:declared")
        accounts = ConfiguredAccounts([declared], FakeAccounts(ADA))
        assert accounts.get("ada") == declared
        with pytest.raises(Stale):
            accounts.put_new(Account("ada", "plain:x"))

    def test_stored_accounts_are_found_too_and_read_once_a_minute(self) -> None:
        stored = FakeAccounts(ADA)
        accounts = ConfiguredAccounts([], stored)
        assert accounts.get("ada") == ADA
        stored.get = lambda name: None  # type: ignore[method-assign]
        assert accounts.get("ada") == ADA
        assert accounts.get("bob") is None

    def test_any_counts_both(self) -> None:
        assert ConfiguredAccounts([ADA], FakeAccounts()).any()
        assert ConfiguredAccounts([], FakeAccounts(ADA)).any()
        assert not ConfiguredAccounts([], FakeAccounts()).any()

    def test_a_session_ended_here_is_over_at_once_and_one_ended_elsewhere_within_a_minute(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stored, passed = FakeAccounts(), [1000.0]
        monkeypatch.setattr(time, "monotonic", lambda: passed[0])
        here, there = ConfiguredAccounts([], stored), ConfiguredAccounts([], stored)
        assert not here.session_ended("one")
        assert not there.session_ended("one")
        here.end_session("one", NOON)
        assert here.session_ended("one")
        assert not there.session_ended("one")
        passed[0] += 60
        assert there.session_ended("one")


def test_checks_from_many_threads_agree() -> None:
    passwords = Argon2Passwords()
    hashed = passwords.hash("difference engine")
    results: list[bool] = []
    threads = [Thread(target=lambda: results.append(passwords.verify(hashed, "difference engine"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert results == [True] * 8
