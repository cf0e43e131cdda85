"""Webhook secrets: declared by the webhooks; settings with other names are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from cdp.errors import ConfigurationError
from cdp.providers.secrets import check_secrets, configured_secrets, declared_secrets
from cdp.settings import load_settings
from tests.cdp.mapping import SOURCES
from tests.cdp.verifying import verifier
from tests.webhook_senders import SECRETS, secrets_of


def test_the_secrets_of_a_provider_are_those_of_its_webhook_and_its_challenge() -> None:
    found = {provider: [secret.name for secret in of] for provider, of in declared_secrets(SOURCES.values()).items()}
    assert found == {
        "fcm": ["secret"],
        "mailgun": ["signing_key"],
        "messenger": ["app_secret", "verify_token"],
        "postmark": ["username", "password"],
        "segment": ["secret"],
        "sendgrid": ["public_key"],
        "ses": ["topic_arns"],
        "shopify": ["secret"],
        "telegram": ["secret_token"],
        "twilio": ["auth_token"],
        "vonage": ["signature_secret"],
        "whatsapp": ["app_secret", "verify_token"],
    }


def test_declared_secrets_are_accepted_whether_set_or_empty() -> None:
    check_secrets(SECRETS, SOURCES.values())
    half = secrets_of({"postmark": {"username": "user", "password": " "}})
    check_secrets(half, SOURCES.values())
    assert configured_secrets(half, "postmark").keys() == {"username"}
    assert configured_secrets(half, "twilio") == {}


@pytest.mark.parametrize("value", ["hush", ""])
@pytest.mark.parametrize(
    ("variable", "named", "known"),
    [
        ("CDP_WEBHOOKS__TWILIO__TOKEN", "CDP_WEBHOOKS__TWILIO__TOKEN", "auth_token"),
        ("CDP_WEBHOOKS__TWILLIO__AUTH_TOKEN", "CDP_WEBHOOKS__TWILLIO or", "shopify, telegram, twilio"),
        ("CDP_WEBHOOKS__STANDARD__SECRET", "CDP_WEBHOOKS__STANDARD or", "segment"),
    ],
)
def test_a_misspelt_variable_is_reported_with_the_known_ones(
    variable: str, named: str, known: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError) as caught:
        check_secrets(load_settings().webhooks, SOURCES.values())
    assert named in caught.value.line() and known in caught.value.line() and "hush" not in caught.value.line()


def test_a_misspelt_key_of_the_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("cdp.toml").write_text('[webhooks.twilio]\nAUTH_TOKEN = "hush"\n')
    with pytest.raises(ConfigurationError, match=r"cdp\.toml: unknown setting webhooks\.twilio\.AUTH_TOKEN"):
        check_secrets(load_settings().webhooks, SOURCES.values())


@pytest.mark.parametrize(
    ("variable", "meaning"),
    [
        ("CDP_WEBHOOKS__SENDGRID__PUBLIC_KEY", "the verification key of the signed event webhook"),
        ("CDP_WEBHOOKS__SENDGRID__PUBLIC_KEY_PREVIOUS", "the verification key of the signed event webhook"),
        ("CDP_WEBHOOKS__FCM__SECRET", "the Standard Webhooks secret"),
        ("CDP_WEBHOOKS__FCM__SECRET_PREVIOUS", "the Standard Webhooks secret"),
    ],
)
def test_a_value_that_verifies_nothing_is_reported_and_not_shown(
    variable: str, meaning: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(variable, "hush!")
    with pytest.raises(ConfigurationError) as caught:
        check_secrets(load_settings().webhooks, SOURCES.values())
    line = caught.value.line()
    assert f"{variable} or" in line and meaning in line and "hush" not in line


def test_a_misspelt_secret_prevents_verification() -> None:
    with pytest.raises(ConfigurationError, match="CDP_WEBHOOKS__TWILIO__TOKEN"):
        verifier({**SECRETS, **secrets_of({"twilio": {"token": "12345"}})})
