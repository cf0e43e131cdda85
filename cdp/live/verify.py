"""Verify requests to the sources' webhooks with the configured secrets, and extract their items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime

from cdp.errors import NotFound
from cdp.providers.secrets import accepted_secrets, check_secrets, configured_secrets, unset_secrets
from cdp.settings import WebhookSecrets
from cdp.sources import Source
from cdp.webhooks import Item, Refused, Request, Secret, Secrets, Unreadable, UnusableSecret, Webhook, WrongTime
from cdp.webhooks.fetch import Certificates, Fetch


class Verifier:
    """Verifies webhook requests. Created once per process; its methods are thread-safe.

    Raises:
        ConfigurationError: no source's webhook declares a configured secret.
    """

    def __init__(self, sources: Mapping[str, Source], settings: WebhookSecrets, fetch: Fetch) -> None:
        check_secrets(settings, sources.values())
        self._webhooks = {name: source.webhook for name, source in sources.items() if source.webhook}
        self._settings = settings
        self._fetch = fetch
        self._certificates = Certificates(fetch)

    def webhook_of(self, source: str) -> Webhook:
        """A source's webhook.

        Raises:
            NotFound: there is no such source, or it has no webhook.
        """
        if source not in self._webhooks:
            raise NotFound("unknown webhook", hint="`cdp sources` lists the webhooks")
        return self._webhooks[source]

    def open(self, webhook: Webhook, request: Request, now: datetime) -> Sequence[Item]:
        """Verify a request and return its items. If it offers a subscription, confirm it.

        Raises:
            Refused: the request is not authentic.
            UnusableSecret: a secret is not set, or not of the kind that the scheme needs.
            Unreadable: the request is authentic, but its body is invalid.
            Unavailable: the provider's certificate cannot be fetched, or the subscription cannot be confirmed.
        """
        try:
            self._verify_with_any(webhook, request, self._secrets(webhook, webhook.secrets), now)
        except Unreadable as error:
            # The body is not authenticated yet.
            raise Refused(error.what) from None
        items = webhook.items(request)
        url = webhook.confirm_url(request) if webhook.confirm_url else None
        if url:
            self._fetch(url)
        return items

    def answer_challenge(self, webhook: Webhook, query: Mapping[str, str]) -> str:
        """The response to a provider's challenge, by which it verifies that the URL is ours.

        Raises:
            NotFound: this provider sends no challenge.
            Refused: the verify token is wrong.
            UnusableSecret: no verify token is configured.
        """
        challenge = webhook.challenge
        if challenge is None:
            raise NotFound("this webhook has no GET challenge", hint="Use POST")
        *others, last = self._secrets(webhook, challenge.secrets)
        for secrets in others:
            with suppress(Refused):
                return challenge.answer(query, secrets)
        return challenge.answer(query, last)

    def _verify_with_any(self, webhook: Webhook, request: Request, accepted: Sequence[Secrets], now: datetime) -> None:
        refusals: list[Refused] = []
        for secrets in accepted:
            try:
                return self._verify(webhook, request, secrets, now)
            except Refused as refused:
                refusals.append(refused)
        # Of a request that is signed with one of them, only its time is wrong.
        raise next((one for one in refusals if isinstance(one, WrongTime)), refusals[0])

    def _verify(self, webhook: Webhook, request: Request, secrets: Secrets, now: datetime) -> None:
        if webhook.certificate_url:
            certificate = self._certificates.at(webhook.certificate_url(request, secrets, now))
            secrets = {**secrets, "certificate": certificate}
        webhook.verify(request, secrets, now)

    def _secrets(self, webhook: Webhook, needed: Sequence[Secret]) -> Sequence[Secrets]:
        unset = unset_secrets(self._settings, webhook, needed)
        if unset:
            raise UnusableSecret(f"the webhook cannot be verified: {' and '.join(unset)} must be set")
        return accepted_secrets(configured_secrets(self._settings, webhook.provider))
