"""Forges and watcher policies, read from settings."""

from __future__ import annotations

import pytest

from chalicelib.config import ForgeSettings, load
from chalicelib.domain.policy import NO_POLICY, Policy


def test_without_settings_no_further_forge_may_be_asked() -> None:
    assert load({}).forges == ()
    assert load({}).github_token is None


def test_forges_are_read_by_kind_and_name() -> None:
    settings = load(
        {
            "DD_RELEASE_NOTES_GITHUB_TOKEN": "gh",
            "DD_RELEASE_NOTES_GITEA_OWN_URL": "https://git.example/",
            "DD_RELEASE_NOTES_GITLAB_WORK_URL": "https://gitlab.example:8443",
            "DD_RELEASE_NOTES_GITLAB_WORK_API": "https://api.example/v4",
            "DD_RELEASE_NOTES_GITLAB_WORK_TOKEN": "gl",
        }
    )
    assert settings.github_token == "gh"
    assert settings.forges == (
        ForgeSettings("gitlab", "https://gitlab.example:8443", "https://api.example/v4", "gl"),
        ForgeSettings("gitea", "https://git.example"),
    )


@pytest.mark.parametrize(
    "url", ["git.example", "ftp://git.example", "https://git.example/path", "https://u@git.example"]
)
def test_a_forge_with_a_wrong_address_is_left_out_and_named(url: str) -> None:
    settings = load({"DD_RELEASE_NOTES_GITEA_OWN_URL": url})
    assert settings.forges == ()
    assert "DD_RELEASE_NOTES_GITEA_OWN_URL" in settings.problems[0]


def test_a_watcher_may_say_how_old_updates_must_be() -> None:
    settings = load({"DD_WATCHER_EDGE_MATURITY_MODE": "Mature", "DD_WATCHER_EDGE_MATURITY_MIN_AGE_DAYS": "9"})
    assert settings.watchers[0].policy == Policy(maturity_mode="mature", maturity_min_age_days=9)
    assert load({"DD_WATCHER_EDGE_CRON": "0 * * * *"}).watchers[0].policy is NO_POLICY


@pytest.mark.parametrize(("key", "value"), [("MODE", "old"), ("MIN_AGE_DAYS", "366"), ("MIN_AGE_DAYS", "0")])
def test_a_watcher_that_says_nonsense_is_left_out_and_named(key: str, value: str) -> None:
    settings = load({f"DD_WATCHER_EDGE_MATURITY_{key}": value})
    assert settings.watchers == ()
    assert f"MATURITY_{key}" in settings.problems[0]
