"""The providers in use, and which of them takes a message.

A provider is in use when everything that its sender must be told is set (`CDP_PROVIDERS__SENDGRID__API_KEY`, …). While
none is, the sandbox takes the messages of all channels, and nothing leaves the machine; as soon as one is, channels
without a provider have none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from threading import Lock

from pydantic import SecretStr

from cdp.channels import MESSAGE_CHANNELS
from cdp.delivery import Sender, Transport
from cdp.errors import ConfigurationError
from cdp.settings import HTTP_URL, variable_of

SANDBOX = "sandbox"
# Settings of every provider: its share of a channel's messages, beside other providers of the channel, and the most
# messages a second.
WEIGHT, RATE = "weight", "rate"


# What is set, by provider and setting.
Configured = Mapping[str, Mapping[str, SecretStr | None]]


@dataclass(frozen=True)
class Route:
    """A provider in use.

    settings: what its sender is told. weight: its share beside others of a channel. rate: the most messages a second.
    """

    provider: str
    sender: Sender
    settings: Mapping[str, str]
    weight: float = 1.0
    rate: float | None = None


def routes_of(senders: Mapping[str, Sender], configured: Configured, sandbox: Route) -> Sequence[Route]:
    """The providers in use; the sandbox if there is none.

    Raises:
        ConfigurationError: a setting is unknown or missing; the message names its variable.
    """
    return [_route(name, senders, configured[name]) for name in in_use(configured)] or [sandbox]


def in_use(configured: Configured) -> list[str]:
    """The names of the providers of which something is set."""
    return [name for name, told in configured.items() if any(told.values())]


def _route(name: str, senders: Mapping[str, Sender], told: Mapping[str, SecretStr | None]) -> Route:
    if name not in senders:
        raise _refused(f"providers.{name}", f"no provider {name} can send", f"Those that can: {', '.join(senders)}")
    sender = senders[name]
    values = {key: value.get_secret_value() for key, value in told.items() if value is not None}
    weight = _number(name, WEIGHT, values.pop(WEIGHT, "1"))
    rate = _number(name, RATE, values.pop(RATE)) if RATE in values else None
    if rate == 0:
        raise _refused(f"providers.{name}.{RATE}", "a rate is more than 0", "A weight of 0 sends nothing")
    known = [one.name for one in sender.settings]
    for key in values:
        if key not in known:
            hint = f"Settings of {name}: {', '.join([*known, WEIGHT, RATE])}"
            raise _refused(f"providers.{name}.{key}", "unknown setting", hint)
    for one in sender.settings:
        if one.default is None and one.name not in values:
            raise _refused(f"providers.{name}.{one.name}", f"{name} needs it to send", f"It is {one.meaning}")
    for key, value in values.items():
        _check(f"providers.{name}.{key}", value)
    defaults = {one.name: one.default for one in sender.settings if one.default is not None}
    return Route(name, sender, {**defaults, **values}, weight, rate)


def _check(setting: str, value: str) -> None:
    """Refuse what no provider could be reached with: each message would fail, one by one."""
    if not value.isprintable():
        raise _refused(setting, "it has a line break or another character that cannot be seen", "Copy it anew")
    if setting.endswith(_CREDENTIALS) and not value.isascii():
        raise _refused(setting, "it has a letter that no such credential has", "Copy it anew")
    if setting.endswith(".base_url") and value and not re.fullmatch(HTTP_URL, value):
        raise _refused(setting, "it is no URL", "It begins with https://")


_CREDENTIALS = ("api_key", "token", "secret", "_sid")


def _number(name: str, setting: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = -1
    if not 0 <= number < float("inf"):
        raise _refused(f"providers.{name}.{setting}", f"a {setting} is a number from 0", "1 is a usual weight")
    return number


def _refused(setting: str, problem: str, hint: str) -> ConfigurationError:
    return ConfigurationError(problem, where=f"{variable_of(setting)} or cdp.toml", hint=hint)


class PostOffice:
    """The providers in use, with their connections, which are opened by the first message and shared by all threads."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._routes = tuple(routes)
        self._open: dict[str, Transport] = {}
        self._stack = ExitStack()
        self._lock = Lock()

    @property
    def channels(self) -> tuple[str, ...]:
        """The channels that messages can be sent on."""
        return tuple(one for one in MESSAGE_CHANNELS if self.routes_for(one))

    @property
    def shared_channels(self) -> tuple[str, ...]:
        """The channels that several providers share."""
        return tuple(one for one in MESSAGE_CHANNELS if len(self.routes_for(one)) > 1)

    def rate_of(self, provider: str) -> float | None:
        """The most messages a second that a provider is to get."""
        return next(one.rate for one in self._routes if one.provider == provider)

    def routes_for(self, channel: str, address: str | None = None) -> list[Route]:
        """The providers of a channel that suit an address."""
        return [
            one
            for one in self._routes
            if channel in one.sender.channels and one.weight and (address is None or one.sender.suits(address))
        ]

    def choose(
        self, channel: str, address: str, points: Mapping[str, float], chance: float, avoid: str | None = None
    ) -> str | None:
        """A provider for a message, drawn by weight and health; None if there is none.

        Args:
            points: the health of providers, from 0 to 1; 1 if not given.
            chance: from 0 to 1.
            avoid: the provider that has just failed, taken only if there is no other.
        """
        routes = self.routes_for(channel, address)
        others = [one for one in routes if one.provider != avoid] or routes
        shares = _shares([one.weight for one in others], [points.get(one.provider, 1.0) for one in others])
        drawn = chance * sum(shares)
        for route, share in zip(others, shares, strict=True):
            if drawn < share:
                return route.provider
            drawn -= share
        return others[-1].provider if others else None

    def transport(self, provider: str) -> Transport:
        """The provider's connections."""
        with self._lock:
            if provider not in self._open:
                route = next(one for one in self._routes if one.provider == provider)
                self._open[provider] = self._stack.enter_context(route.sender.opened(route.settings))
            return self._open[provider]

    def close(self) -> None:
        self._stack.close()


def _shares(weights: Sequence[float], points: Sequence[float]) -> list[float]:
    """The share of each provider: its weight times its points. What they lose goes to those that have lost nothing: a
    large weight would leave one that is down with much of the traffic.
    """
    kept = [weight * share for weight, share in zip(weights, points, strict=True)]
    well = [weight if share == 1 else 0.0 for weight, share in zip(weights, points, strict=True)]
    lost = (sum(weights) - sum(kept)) / sum(well) if sum(well) else 0.0
    return [one + lost * weight for one, weight in zip(kept, well, strict=True)]
