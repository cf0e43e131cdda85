from __future__ import annotations

from collections.abc import Iterator

import pytest

from cdp.store import Store
from tests.sending.world import World


@pytest.fixture
def world(store: Store) -> Iterator[World]:
    found = World(store)
    yield found
    found.close()
