"""For all tests: properties have no deadline, which would say more of the machine than of the code."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from cdp.store import Store, open_store
from tests.cdp import store_urls
from tests.cdp.store_urls import BACKENDS, NO_POSTGRES, MigratedStores

settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "backends(*names): the kinds of store that a test runs on, where not on each")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """What asks for a store runs on each kind of it, unless it is marked."""
    mark = metafunc.definition.get_closest_marker("backends")
    chosen = [argument for one in metafunc.definition.iter_markers("parametrize") for argument in one.args[:1]]
    for name, scope in (("store_url", "function"), ("lasting_store_url", "module")):
        if name in metafunc.fixturenames and name not in chosen:
            metafunc.parametrize(name, mark.args if mark else BACKENDS, indirect=True, scope=scope)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What is skipped for want of PostgreSQL has one place, and so one line of the summary."""
    report = yield
    if isinstance(report.longrepr, tuple) and NO_POSTGRES in report.longrepr[2]:
        report.longrepr = (store_urls.__file__, None, report.longrepr[2])  # type: ignore[assignment]
    return report


@pytest.fixture(scope="session")
def migrated_stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MigratedStores]:
    stores = MigratedStores(tmp_path_factory.mktemp("stores"))
    yield stores
    stores.close()


@pytest.fixture
def store_url(request: pytest.FixtureRequest, migrated_stores: MigratedStores, tmp_path: Path) -> Iterator[str]:
    """The URL of a store that holds nothing."""
    with migrated_stores.url(request.param, tmp_path) as url:
        yield url


@pytest.fixture(scope="module")
def lasting_store_url(
    request: pytest.FixtureRequest, migrated_stores: MigratedStores, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The URL of a store that the tests of a module share."""
    with migrated_stores.url(request.param, tmp_path_factory.mktemp("store")) as url:
        yield url


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    opened = open_store(store_url)
    yield opened
    opened.close()
