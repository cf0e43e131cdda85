"""The providers: one folder each, found automatically.

A folder contains everything about a provider. `source.py` defines `SOURCE`, which has the folder's name: the format of
the provider's payloads and the SELECT that maps them; a provider that reports nothing has none. `webhook.py` defines
`WEBHOOK`, used by `SOURCE`, for providers that do not sign with Standard Webhooks or whose requests need their own
reader. `send.py` defines `SENDER`, for providers that messages are sent by.
"""

from __future__ import annotations

import importlib.util
import pkgutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cdp import sources
from cdp.delivery import Sender, Setting
from cdp.errors import ConfigurationError, require_tuple
from cdp.sources import Source


@dataclass(frozen=True)
class Provider:
    """What a provider's folder declares.

    source: None for a provider that reports nothing. sender: None for one that only reports.
    """

    name: str
    source: Source | None
    sender: Sender | None


def load_providers() -> Mapping[str, Provider]:
    """All providers by name: every folder of this package.

    Raises:
        ConfigurationError: a folder has neither a source nor a sender, a source of another name, or a sender whose
            channels or settings are no tuple.
    """
    return {name: _provider_of(name) for name in _folders()}


def _folders() -> list[str]:
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if module.ispkg)


def load_sources() -> Mapping[str, Source]:
    """All sources by name: the generic formats of `cdp/sources/` and those of the providers. No sender is imported.

    Raises:
        ConfigurationError: two sources have the same name, or a provider's source is not named as its folder.
    """
    found: dict[str, Source] = {}
    for place, source in (*_generic_sources(), *_provided_sources()):
        if source.name in found:
            raise ConfigurationError(f"two sources are named {source.name}", where=place)
        found[source.name] = source
    return dict(sorted(found.items()))


def _generic_sources() -> Iterator[tuple[str, Source]]:
    """The file and the source of each module of `cdp/sources/` that defines one."""
    for module in pkgutil.iter_modules(sources.__path__):
        source = getattr(importlib.import_module(f"{sources.__name__}.{module.name}"), "SOURCE", None)
        if source is not None:
            yield f"cdp/sources/{module.name}.py", source


def _provided_sources() -> Iterator[tuple[str, Source]]:
    for name in _folders():
        if source := _source_of(name):
            yield _file_of(name), source


def _provider_of(name: str) -> Provider:
    found = Provider(name, _source_of(name), _sender_of(name))
    if not found.source and not found.sender:
        raise ConfigurationError("a provider without a SENDER defines its SOURCE here", where=_file_of(name))
    return found


def _sender_of(name: str) -> Sender | None:
    sender: Sender | None = _declared(name, "send", "SENDER")
    if sender:
        require_tuple(f"cdp/providers/{name}/send.py: channels", sender.channels, str)
        require_tuple(f"cdp/providers/{name}/send.py: settings", sender.settings, Setting)
    return sender


def _source_of(name: str) -> Source | None:
    source: Source | None = _declared(name, "source", "SOURCE")
    if source and source.name != name:
        raise ConfigurationError(f"the source is named {source.name}, but its folder {name}", where=_file_of(name))
    return source


def _declared(name: str, file: str, constant: str) -> Any:
    """What a file of a provider's folder declares; None if there is no such file."""
    module = f"{__name__}.{name}.{file}"
    found = importlib.import_module(module) if importlib.util.find_spec(module) else None
    return getattr(found, constant, None)


def _file_of(name: str) -> str:
    return f"cdp/providers/{name}/source.py"
