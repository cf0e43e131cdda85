"""A new home and its store, for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cdp.settings import Settings
from cdp.store import Store, open_store
from tests.pipelines.runs import settings_in


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_in(tmp_path)


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    opened = open_store(settings.effective_store_url)
    yield opened
    opened.close()
