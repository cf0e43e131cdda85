from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.delivery.fakes import Providers, serving


@pytest.fixture
def providers() -> Iterator[Providers]:
    with serving(Providers()) as found:
        yield found
