"""Settings: the origins of values, and the errors of invalid ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from cdp.errors import ConfigurationError
from cdp.settings import WebhookSecrets, load_settings, origin_of


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
def test_sources_are_comma_separated(text: str, expected: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDP_SOURCE_PRIORITY", text)
    assert load_settings().source_priority == expected


def test_a_list_in_the_file_is_a_list() -> None:
    Path("cdp.toml").write_text('source_priority = ["crm", "shopify"]\n')
    assert load_settings().source_priority == ("crm", "shopify")


@pytest.mark.parametrize("content", ["home = ", "unknown_key = 1", 'default_region = "Germany"', "threads = 0"])
def test_an_invalid_file_is_reported_in_one_line(content: str) -> None:
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
    assert _values(webhooks) == {"ses": {"topic_arns": "arn:1,arn:2"}, "twilio": {"auth_token": "1234567890e9"}}
    assert "1234567890e9" not in repr(load_settings())
    names = ("webhooks.twilio.auth_token", "webhooks.ses.topic_arns", "webhooks.postmark.username")
    assert [origin_of(name) for name in names] == ["environment", "cdp.toml", "default"]


@pytest.mark.parametrize("empty", ["", " ", "\n"])
def test_an_empty_secret_counts_as_unset(empty: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDP_WEBHOOKS__WHATSAPP__APP_SECRET", empty)
    assert load_settings().webhooks == {"whatsapp": {"app_secret": None}}


@pytest.mark.parametrize("text", ["true", "null", "1.5", '["a", "b"]', '{"a": "b"}', '"quoted"'])
def test_a_secret_in_the_environment_is_taken_literally(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDP_WEBHOOKS__TWILIO__AUTH_TOKEN", text)
    assert _values(load_settings().webhooks) == {"twilio": {"auth_token": text}}


@pytest.mark.parametrize("variable", ["CDP_WEBHOOKS", "CDP_WEBHOOKS__TWILIO", "CDP_WEBHOOKS__TWILIO__AUTH_TOKEN__MORE"])
def test_a_secret_at_another_level_is_named_and_not_shown(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "hush")
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert variable.removesuffix("__MORE") in caught.value.line() and "hush" not in caught.value.line()


@pytest.mark.parametrize("value", ["12345", "true", "2026-01-01", '{a = "b"}'])
def test_a_secret_in_the_file_is_text_or_a_list(value: str) -> None:
    Path("cdp.toml").write_text(f"[webhooks.twilio]\nauth_token = {value}\n")
    with pytest.raises(ConfigurationError, match="CDP_WEBHOOKS__TWILIO__AUTH_TOKEN"):
        load_settings()


def _values(webhooks: WebhookSecrets) -> dict[str, dict[str, str | None]]:
    return {
        provider: {name: secret and secret.get_secret_value() for name, secret in secrets.items()}
        for provider, secrets in webhooks.items()
    }


@pytest.mark.parametrize("url", ["foo", "", "cdp.example.com", "ftp://cdp.example.com", "https://", "https:///u"])
def test_a_public_url_that_no_link_could_start_with_is_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDP_PUBLIC_URL", url)
    with pytest.raises(ConfigurationError, match="CDP_PUBLIC_URL"):
        load_settings()


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000", "https://cdp.example.com/", "https://example.com/cdp"])
def test_a_public_url_may_have_a_port_and_a_path(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDP_PUBLIC_URL", url)
    assert load_settings().public_url == url


def test_a_file_of_settings_that_is_not_utf_8_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    Path("cdp.toml").write_bytes(b'home = "\xff"\n')
    with pytest.raises(ConfigurationError, match=r"cdp\.toml: not UTF-8"):
        load_settings()
