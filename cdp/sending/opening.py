"""Sending, made ready from the settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from cdp.consent.links import UnsubscribeLinks
from cdp.content.library import Library
from cdp.content.versions import Versions, keep_versions
from cdp.decision.log import keep_policy
from cdp.decision.policy import Policy
from cdp.providers import load_providers, load_sources
from cdp.providers.secrets import unset_secrets
from cdp.sending.post import SANDBOX, PostOffice, Route, in_use, routes_of
from cdp.sending.sandbox import sandbox_route
from cdp.sending.tools import Tools
from cdp.settings import Settings
from cdp.store import Store


def load_routes(settings: Settings, store: Store, clock: Callable[[], datetime]) -> Sequence[Route]:
    """The providers in use; the sandbox if none is configured.

    Raises:
        ConfigurationError: a provider's setting is unknown or missing.
    """
    # Senders and their libraries take a while to import.
    providers = load_providers() if in_use(settings.providers) else {}
    senders = {name: found.sender for name, found in providers.items() if found.sender}
    return routes_of(senders, settings.providers, sandbox_route(settings.home / "outbox", store, clock))


def is_sandbox(routes: Sequence[Route]) -> bool:
    """Whether messages go to the sandbox."""
    return any(one.provider == SANDBOX for one in routes)


def without_receipts(settings: Settings) -> Mapping[str, str]:
    """The providers in use whose reports nobody can verify, so that none is accepted: each with the variables to set.

    Providers that report nothing, such as mail servers, are not among them.
    """
    found: dict[str, str] = {}
    sources = load_sources()
    for name in in_use(settings.providers):
        source = sources.get(name)
        if source and source.webhook:
            unset = unset_secrets(settings.webhooks, source.webhook, source.webhook.all_secrets())
            found |= {name: " and ".join(unset)} if unset else {}
    return found


def make_tools(
    settings: Settings,
    store: Store,
    policy: Policy,
    library: Library,
    unsubscribing: UnsubscribeLinks,
    clock: Callable[[], datetime],
) -> Tools:
    """What sending needs; to be closed at the end. The policy and the templates are kept in the store.

    Raises:
        ConfigurationError: a provider's setting is unknown or missing.
        Unavailable: the store is out of reach.
    """
    post = PostOffice(load_routes(settings, store, clock))
    now = clock()
    keep_policy(store, policy, now)
    keep_versions(store, library, now)
    return Tools(library, policy, unsubscribing, post, settings.public_url.rstrip("/"), Versions(library))
