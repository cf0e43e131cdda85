"""A service for each test, `service`, or one for all of a module, `lasting`, for requests that change nothing."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from api import configuration
from cdp.content.library import load_library
from tests.api.service import Service
from tests.api.warehouse import publish_warehouse


@pytest.fixture(scope="session", autouse=True)
def _loaded_once() -> Iterator[None]:
    """Templates are tried with the longest values as they are loaded: once is enough for all tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(configuration, "load_library", cache(load_library))
        yield


@pytest.fixture
def empty_service(store_url: str, tmp_path: Path) -> Iterator[Service]:
    service = Service(tmp_path / "home", store_url)
    yield service
    service.close()


@pytest.fixture
def service(empty_service: Service) -> Service:
    empty_service.publish()
    return empty_service


@pytest.fixture(scope="module")
def lasting(lasting_store_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with a published warehouse, one for all tests of a module: for requests that change nothing of it."""
    service = Service(tmp_path_factory.mktemp("lasting") / "home", lasting_store_url)
    service.publish()
    publish_warehouse(service.settings)
    yield service
    service.close()
