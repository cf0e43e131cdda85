"""What the application is configured with, read before anything is served, so that a mistake is one clear line.

Nothing of HTTP is imported here: with several workers, the parent process checks the configuration by reading it, and
each worker makes an application of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from joserfc.jwk import OctKey

from cdp.access.keys import SigningKeys, load_signing_keys
from cdp.consent.links import load_unsubscribe_keys
from cdp.content.library import Library, load_library
from cdp.decision.policy import Policy, load_policy
from cdp.errors import ConfigurationError
from cdp.providers import load_sources
from cdp.settings import Settings
from cdp.sources import Source


@dataclass(frozen=True)
class Configuration:
    """The settings and the files that they name."""

    settings: Settings
    policy: Policy
    library: Library
    sources: Mapping[str, Source]
    signing_keys: SigningKeys
    unsubscribe_keys: Sequence[OctKey]


def load_configuration(settings: Settings) -> Configuration:
    """Read the configuration.

    Raises:
        ConfigurationError: a key, the policy, the brand, a template or the file of analytics.js is invalid.
        Unavailable: the home folder is out of reach.
    """
    if settings.analytics_js is not None:
        _require_file(settings.analytics_js)
    return Configuration(
        settings,
        load_policy(settings.policy),
        load_library(settings.templates, settings.brand),
        load_sources(),
        load_signing_keys(settings.home),
        load_unsubscribe_keys(settings.home),
    )


def _require_file(analytics_js: Path) -> None:
    try:
        with analytics_js.open("rb"):
            pass
    except OSError as error:
        raise ConfigurationError(
            f"{analytics_js} cannot be read: {error.strerror}",
            where="CDP_ANALYTICS_JS or cdp.toml",
            hint="Name dist/umd/standalone.js of @segment/analytics-next, or leave it unset",
        ) from None
