"""Helpers shared by the groups of commands: opening the store and the warehouse, and JSON output.

Higher layers and heavy libraries are imported where they are used, so that `cdp --help` and `cdp clients` do not wait
for DuckDB and Splink.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cdp.settings import Settings
from cdp.settings import load_settings as read_settings

if TYPE_CHECKING:
    from cdp.store import Store
    from cdp.warehouse import Warehouse

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output and nothing else.")]


def load_settings() -> Settings:
    """The settings in force.

    Raises:
        ConfigurationError: a value is invalid, or no provider declares a configured webhook secret.
    """
    settings = read_settings()
    # Whatever the command writes is people's data.
    os.umask(0o077)
    if settings.webhooks:
        from cdp.providers import load_sources
        from cdp.providers.secrets import check_secrets

        check_secrets(settings.webhooks, load_sources().values())
    return settings


@contextmanager
def published(settings: Settings) -> Iterator[Warehouse]:
    """The published warehouse, closed at the end."""
    from cdp.warehouse import open_published

    warehouse = open_published(settings)
    try:
        yield warehouse
    finally:
        warehouse.close()


@contextmanager
def opened_store(settings: Settings) -> Iterator[Store]:
    """The profile store, closed at the end."""
    from cdp.store import open_store

    store = open_store(settings.effective_store_url)
    try:
        yield store
    finally:
        store.close()


def print_json(document: Any) -> None:
    """Print the output of `--json`."""
    sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=2) + "\n")
