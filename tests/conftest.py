"""For all tests: stores, the fast tier, and properties without a deadline, which would say more of the machine.

`--fast` (`make fast`) leaves out tests/e2e, what is marked `slow`, and PostgreSQL, and tries fewer examples of each
property; it names what has become too slow for it. What takes more than a second of the processor belongs marked. What
is marked `long` is run by `make long`, and the rest by `make test`.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from cdp.store import Store, open_store
from tests.cdp import store_urls
from tests.cdp.store_urls import BACKENDS, NO_POSTGRES, MigratedStores

settings.register_profile("unhurried", deadline=None)
settings.register_profile("fast", deadline=None, max_examples=25)

END_TO_END = Path(__file__).with_name("e2e")
FAST_SECONDS = 1.0


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fast", action="store_true", help="neither tests/e2e nor slow tests, and stores on SQLite alone")


def pytest_configure(config: pytest.Config) -> None:
    settings.load_profile("fast" if config.getoption("fast") else "unhurried")
    config.addinivalue_line("markers", "backends(*names): the kinds of store that a test runs on, where not on each")
    config.addinivalue_line("markers", "long: takes many seconds, in processes of its own; `make long` runs these")
    config.addinivalue_line("markers", "slow: takes more than a second of the processor; left out by --fast")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    return True if config.getoption("fast") and collection_path == END_TO_END else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    slow = [item for item in items if _is_marked(item, "slow", "long") or END_TO_END in item.path.parents]
    if config.getoption("fast"):
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if item not in slow]
    # Files that take long go first, so that no worker is left alone with one at the end.
    slow_files = {item.path for item in slow}
    items.sort(key=lambda item: item.path not in slow_files)


def _is_marked(item: pytest.Item, *names: str) -> bool:
    return any(item.get_closest_marker(name) for name in names)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """What asks for a store runs on each kind of it, unless it is marked."""
    mark = metafunc.definition.get_closest_marker("backends")
    backends = mark.args if mark else BACKENDS[:1] if metafunc.config.getoption("fast") else BACKENDS
    chosen = [argument for one in metafunc.definition.iter_markers("parametrize") for argument in one.args[:1]]
    for name in ("store_url", "lasting_store_url"):
        if name in metafunc.fixturenames and name not in chosen:
            metafunc.parametrize(name, backends, indirect=True, scope="module" if "lasting" in name else "function")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    started = time.process_time()
    try:
        return (yield)
    finally:
        item.user_properties.append(("cpu_seconds", time.process_time() - started))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What is skipped for want of PostgreSQL has one place, and so one line of the summary."""
    report = yield
    if isinstance(report.longrepr, tuple) and NO_POSTGRES in report.longrepr[2]:
        report.longrepr = (store_urls.__file__, None, report.longrepr[2])  # type: ignore[assignment]
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Of the fast tier, the tests that have become too slow for it."""
    if not config.getoption("fast"):
        return
    for report in terminalreporter.getreports("passed"):
        seconds = dict(report.user_properties).get("cpu_seconds", 0)
        if report.when == "call" and seconds > FAST_SECONDS:
            terminalreporter.write_line(f"SLOW {report.nodeid}: {seconds:.1f} s of the processor; mark it `slow`")


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
