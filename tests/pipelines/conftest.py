"""What the tests of runs share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pipelines import flow


@pytest.fixture
def ungated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the quality gate, which takes most of a small run's time: for what has nothing to do with it."""
    monkeypatch.setattr(flow, "_gate", lambda *_: 0)


@pytest.fixture(scope="module")
def ungated_module() -> Iterator[None]:
    """`ungated`, for what a whole module shares."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flow, "_gate", lambda *_: 0)
        yield
