"""Sources as a whole, and the detection of machine user agents."""

from __future__ import annotations

from pathlib import Path

import pytest

from cdp.sources.agents import is_machine
from cdp.sources.columns import ColumnMapping, load_mapping, select_for
from cdp.warehouse import open_memory
from tests.cdp.mapping import APPLE, GMAIL, PERSON, rows_with_outcomes
from tests.cdp.providers.payloads import SAMPLE, sample_files, sample_items

MAPPINGS = [load_mapping(file) for file in SAMPLE.glob("*.mapping.yaml")]


MAPPED_FILES = [(mapping, path) for mapping in MAPPINGS for path in sample_files() if path.match(mapping.files)]


@pytest.mark.parametrize(("mapping", "path"), MAPPED_FILES, ids=[path.name for _, path in MAPPED_FILES])
def test_every_line_of_the_sample_has_an_outcome(mapping: ColumnMapping, path: Path) -> None:
    items = list(sample_items(path))
    rows = rows_with_outcomes(select_for(mapping), items)
    assert sum(row["refused"] is not None for row in rows) <= max(5, len(items) // 100)


@pytest.mark.parametrize(
    ("agent", "expected"),
    [
        *((agent, False) for agent in (PERSON, GMAIL, None, "", "Outlook-iOS/2.0", "Thunderbird")),
        *((agent, True) for agent in (APPLE, f" {APPLE} ", "Googlebot/2.1", "Barracuda Sentinel (EE)", "curl/8.0")),
    ],
)
def test_machine_user_agents_are_detected(agent: str | None, expected: bool) -> None:
    assert open_memory().scalar(f"select {is_machine('$1::varchar')}", [agent]) is expected
