"""Loading of providers, and the errors for wrong names."""

from __future__ import annotations

from pathlib import Path

import pytest

from cdp.errors import ConfigurationError
from cdp.providers import load_providers, load_sources
from tests.provider_folders import added_provider

SOURCE = """
from cdp.sources import Source

SOURCE = Source(name="{name}", title="Carrier pigeons", files=("pigeon*",), keys=(), select="from raw")
"""


def test_a_source_has_the_name_of_its_folder(tmp_path: Path) -> None:
    with (
        added_provider(tmp_path, "pigeon", {"source.py": SOURCE.format(name="dove")}),
        pytest.raises(ConfigurationError, match=r"cdp/providers/pigeon/source\.py: .* dove"),
    ):
        load_providers()


@pytest.mark.parametrize("files", [{}, {"webhook.py": ""}, {"source.py": ""}])
def test_a_folder_without_a_source_is_named(tmp_path: Path, files: dict[str, str]) -> None:
    with (
        added_provider(tmp_path, "pigeon", files),
        pytest.raises(ConfigurationError, match=r"cdp/providers/pigeon/source\.py: .* SOURCE"),
    ):
        load_providers()


def test_a_source_that_imports_what_is_missing_says_so(tmp_path: Path) -> None:
    with (
        added_provider(tmp_path, "pigeon", {"source.py": "import carrier_pigeons"}),
        pytest.raises(ModuleNotFoundError, match="carrier_pigeons"),
    ):
        load_providers()


def test_two_sources_of_one_name_are_refused(tmp_path: Path) -> None:
    with (
        added_provider(tmp_path, "events", {"source.py": SOURCE.format(name="events")}),
        pytest.raises(ConfigurationError, match=r"cdp/providers/events/source\.py: two sources are named events"),
    ):
        load_sources()


def test_sources_are_listed_by_name(tmp_path: Path) -> None:
    with added_provider(tmp_path, "dove", {"source.py": SOURCE.format(name="dove")}):
        names = list(load_sources())
    assert names == sorted(names) and {"contacts", "dove", "events", "twilio"} <= set(names)
