"""Webhook secrets: declared by the webhooks, configured in the settings.

While a secret is rotated, the old one may be kept beside the new one as `{name}_previous`: requests signed with either
are authentic.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pydantic import SecretStr

from cdp.errors import ConfigurationError
from cdp.settings import WebhookSecrets, variable_of
from cdp.sources import Source
from cdp.webhooks import Secret, Secrets, UnusableSecret, Webhook

PREVIOUS = "_previous"


def declared_secrets(sources: Iterable[Source]) -> Mapping[str, tuple[Secret, ...]]:
    """The secrets of the sources' webhooks by the provider's name in the settings, in alphabetical order."""
    found: dict[str, dict[str, Secret]] = {}
    for webhook in (source.webhook for source in sources if source.webhook):
        found.setdefault(webhook.provider, {}).update({secret.name: secret for secret in webhook.all_secrets()})
    return {provider: tuple(secrets.values()) for provider, secrets in sorted(found.items())}


def configured_secrets(webhooks: WebhookSecrets, provider: str) -> Mapping[str, SecretStr]:
    """A provider's secrets that are set, by name."""
    return {name: secret for name, secret in webhooks.get(provider, {}).items() if secret is not None}


def unset_secrets(webhooks: WebhookSecrets, webhook: Webhook, needed: Iterable[Secret]) -> list[str]:
    """The variables of those of a webhook's secrets that are not set."""
    found = configured_secrets(webhooks, webhook.provider)
    return [webhook.variable(secret) for secret in needed if secret.name not in found]


def accepted_secrets(found: Mapping[str, SecretStr]) -> list[Secrets]:
    """The secrets to verify with, one after the other: the current ones and, if any is kept, the previous ones."""
    values = {name: secret.get_secret_value() for name, secret in found.items()}
    current = {name: value for name, value in values.items() if not name.endswith(PREVIOUS)}
    previous = {name.removesuffix(PREVIOUS): value for name, value in values.items() if name.endswith(PREVIOUS)}
    return [current, current | previous] if previous else [current]


def check_secrets(webhooks: WebhookSecrets, sources: Iterable[Source]) -> None:
    """Refuse settings that no webhook declares: a misspelt name would leave the intended secret unset.

    And refuse values that nothing can be verified with: every request would be refused, and nobody would know why.

    Raises:
        ConfigurationError: a setting is unknown, or its value not of its kind; the message names its variable.
    """
    declared = declared_secrets(sources)
    for provider, secrets in webhooks.items():
        _refuse_unknown("webhooks", [provider], declared)
        known = [secret.name for secret in declared[provider]]
        _refuse_unknown(f"webhooks.{provider}", secrets, [*known, *(f"{name}{PREVIOUS}" for name in known)])
        _refuse_unusable(provider, configured_secrets(webhooks, provider), declared[provider])


def _refuse_unusable(provider: str, found: Mapping[str, SecretStr], declared: Iterable[Secret]) -> None:
    for secret in declared:
        for name in (secret.name, f"{secret.name}{PREVIOUS}"):
            if name not in found:
                continue
            try:
                secret.read(found[name].get_secret_value())
            except UnusableSecret as error:
                raise ConfigurationError(
                    f"unusable: {error.what}",
                    where=f"{variable_of(f'webhooks.{provider}.{name}')} or cdp.toml",
                    hint=f"Set {secret.meaning}",
                ) from None


def _refuse_unknown(parent: str, names: Iterable[str], known: Iterable[str]) -> None:
    for name in names:
        if name not in known:
            setting = f"{parent}.{name}"
            raise ConfigurationError(
                f"unknown setting {setting}",
                where=f"{variable_of(setting)} or cdp.toml",
                hint=f"Settings under {parent}: {', '.join(known)}",
            )
