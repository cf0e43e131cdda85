from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cdp.store import Store, open_store
from tests.cdp.store_urls import BACKENDS, empty_store_url


@pytest.fixture(params=BACKENDS)
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    with empty_store_url(request.param, tmp_path) as url:
        yield url


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    opened = open_store(store_url)
    yield opened
    opened.close()
