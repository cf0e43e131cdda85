"""Webhook secrets: declared by the webhooks, configured in the settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pydantic import SecretStr

from cdp.errors import ConfigurationError
from cdp.settings import WebhookSecrets, variable_of
from cdp.sources import Source
from cdp.webhooks import Secret


def declared_secrets(sources: Iterable[Source]) -> Mapping[str, tuple[Secret, ...]]:
    """The secrets of the sources' webhooks by the provider's name in the settings, in alphabetical order."""
    found: dict[str, dict[str, Secret]] = {}
    for webhook in (source.webhook for source in sources if source.webhook):
        found.setdefault(webhook.provider, {}).update({secret.name: secret for secret in webhook.all_secrets()})
    return {provider: tuple(secrets.values()) for provider, secrets in sorted(found.items())}


def configured_secrets(webhooks: WebhookSecrets, provider: str) -> Mapping[str, SecretStr]:
    """A provider's secrets that are set, by name."""
    return {name: secret for name, secret in webhooks.get(provider, {}).items() if secret is not None}


def check_secrets(webhooks: WebhookSecrets, sources: Iterable[Source]) -> None:
    """Refuse settings that no webhook declares: a misspelt name would leave the intended secret unset.

    Raises:
        ConfigurationError: a setting is unknown; the message names its variable.
    """
    declared = declared_secrets(sources)
    for provider, secrets in webhooks.items():
        _refuse_unknown("webhooks", [provider], declared)
        _refuse_unknown(f"webhooks.{provider}", secrets, [secret.name for secret in declared[provider]])


def _refuse_unknown(parent: str, names: Iterable[str], known: Iterable[str]) -> None:
    for name in names:
        if name not in known:
            setting = f"{parent}.{name}"
            raise ConfigurationError(
                f"unknown setting {setting}",
                where=f"{variable_of(setting)} or cdp.toml",
                hint=f"Settings under {parent}: {', '.join(known)}",
            )
