"""Requests to the sources' webhooks, verified with the configured secrets and opened into items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from cdp.errors import NotFound
from cdp.providers.secrets import check_secrets, configured_secrets
from cdp.settings import WebhookSecrets
from cdp.sources import Source
from cdp.webhooks import Item, Refused, Request, Secret, Secrets, Unreadable, UnusableSecret, Webhook
from cdp.webhooks.fetch import Certificates, Fetch


class Verifier:
    """Made once a process; its methods may be called from many threads at a time.

    Raises:
        ConfigurationError: a secret is set that no source's webhook declares.
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
            NotFound: there is no such source, or nothing of it can come over HTTP.
        """
        if source not in self._webhooks:
            raise NotFound("there is no webhook of this name", hint="`cdp sources` lists them")
        return self._webhooks[source]

    def open(self, webhook: Webhook, request: Request, now: datetime) -> Sequence[Item]:
        """The items of a request, once it has proved whose it is. A subscription that it offers is confirmed.

        Raises:
            Refused: it does not prove that it is the provider's.
            UnusableSecret: a secret is not set, or not of the kind that the scheme needs.
            Unreadable: it is the provider's, and its body is not.
            Unavailable: the provider cannot be asked for its certificate, or to confirm.
        """
        secrets = self._secrets(webhook, webhook.secrets)
        try:
            self._verify(webhook, request, secrets, now)
        except Unreadable as error:
            # Nobody knows yet whose body it is.
            raise Refused(error.what) from None
        items = webhook.items(request)
        url = webhook.confirm_url(request) if webhook.confirm_url else None
        if url:
            self._fetch(url)
        return items

    def answer_challenge(self, webhook: Webhook, query: Mapping[str, str]) -> str:
        """The body of the answer to a provider that asks whether the URL is ours.

        Raises:
            NotFound: this provider does not ask.
            Refused: it does not say what was agreed.
            UnusableSecret: nothing was agreed.
        """
        challenge = webhook.challenge
        if challenge is None:
            raise NotFound("this webhook is called by POST")
        return challenge.answer(query, self._secrets(webhook, challenge.secrets))

    def _verify(self, webhook: Webhook, request: Request, secrets: Secrets, now: datetime) -> None:
        if webhook.certificate_url:
            certificate = self._certificates.at(webhook.certificate_url(request, secrets, now))
            secrets = {**secrets, "certificate": certificate}
        webhook.verify(request, secrets, now)

    def _secrets(self, webhook: Webhook, needed: Sequence[Secret]) -> Secrets:
        found = configured_secrets(self._settings, webhook.provider)
        unset = [webhook.variable(secret) for secret in needed if secret.name not in found]
        if unset:
            raise UnusableSecret(f"the webhook cannot be verified: {' and '.join(unset)} must be set")
        return {name: secret.get_secret_value() for name, secret in found.items()}
