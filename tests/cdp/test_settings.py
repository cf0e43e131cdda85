"""Settings: where values come from, and what a wrong one is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from cdp.errors import ConfigurationError
from cdp.settings import load_settings, origin_of


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("CDP_HOME", "CDP_SOURCE_PRIORITY", "CDP_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)


def test_the_environment_wins_over_the_file_and_the_file_over_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("cdp.toml").write_text('home = "from-file"\ndefault_region = "DE"\n')
    monkeypatch.setenv("CDP_HOME", "from-environment")
    settings = load_settings()
    assert (settings.home, settings.default_region, settings.threads > 0) == (Path("from-environment"), "DE", True)
    assert [origin_of(name) for name in ("home", "default_region", "threads")] == ["environment", "cdp.toml", "default"]


@pytest.mark.parametrize(("text", "expected"), [("crm", ("crm",)), ("crm, shopify", ("crm", "shopify")), ("", ())])
def test_sources_are_parted_by_commas(text: str, expected: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDP_SOURCE_PRIORITY", text)
    assert load_settings().source_priority == expected


def test_a_list_in_the_file_is_a_list() -> None:
    Path("cdp.toml").write_text('source_priority = ["crm", "shopify"]\n')
    assert load_settings().source_priority == ("crm", "shopify")


@pytest.mark.parametrize("content", ["home = ", "unknown_key = 1", 'default_region = "Germany"', "threads = 0"])
def test_a_wrong_file_is_one_line(content: str) -> None:
    Path("cdp.toml").write_text(content + "\n")
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert "cdp.toml" in caught.value.line()
    assert "\n" not in caught.value.line()


def test_secrets_of_webhooks_come_from_either_place_and_are_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("cdp.toml").write_text(
        '[webhooks.ses]\ntopic_arns = ["arn:1", "arn:2"]\n[webhooks.twilio]\nauth_token = "t"\n'
    )
    monkeypatch.setenv("CDP_WEBHOOKS__TWILIO__AUTH_TOKEN", "1234567890e9")
    webhooks = load_settings().webhooks
    assert webhooks.twilio.auth_token and webhooks.twilio.auth_token.get_secret_value() == "1234567890e9"
    assert webhooks.ses.topic_arns and webhooks.ses.topic_arns.get_secret_value() == "arn:1,arn:2"
    assert "1234567890e9" not in repr(load_settings())
    names = ("webhooks.twilio.auth_token", "webhooks.ses.topic_arns", "webhooks.postmark.username")
    assert [origin_of(name) for name in names] == ["environment", "cdp.toml", "default"]


@pytest.mark.parametrize("empty", ["", " ", "\n"])
def test_an_empty_secret_is_none(empty: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDP_WEBHOOKS__WHATSAPP__APP_SECRET", empty)
    assert load_settings().webhooks.of("whatsapp") == {"app_secret": None, "verify_token": None}


@pytest.mark.parametrize(
    ("variable", "named"),
    [
        ("CDP_WEBHOOKS__TWILIO__TOKEN", "CDP_WEBHOOKS__TWILIO__TOKEN"),
        ("CDP_WEBHOOKS__TWILLIO__AUTH_TOKEN", "CDP_WEBHOOKS__TWILLIO"),
        ("CDP_WEBHOOKS", "CDP_WEBHOOKS"),
        ("CDP_WEBHOOKS__TWILIO", "CDP_WEBHOOKS"),
    ],
)
def test_a_misspelt_secret_is_named_and_not_shown(variable: str, named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "hush")
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert named in caught.value.line() and "hush" not in caught.value.line()
