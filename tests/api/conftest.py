"""Services for the API's tests, on each store backend."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.service import Service
from tests.cdp.store_urls import BACKENDS, empty_store_url


@pytest.fixture(params=BACKENDS)
def empty_service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Service]:
    with empty_store_url(request.param, tmp_path) as store_url:
        service = Service(tmp_path / "home", store_url)
        yield service
        service.close()


@pytest.fixture
def service(empty_service: Service) -> Service:
    empty_service.publish()
    return empty_service
