"""Loading of providers, and the errors for wrong names."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cdp.errors import ConfigurationError
from cdp.providers import load_providers, load_sources
from cdp.sources import FailureWords, Source
from cdp.webhooks import Challenge, Secret
from cdp.webhooks.standard import STANDARD
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


NOT_TUPLES: dict[str, Callable[[], object]] = {
    "pigeon: files is not a tuple of str, but 'pigeon*'": lambda: Source("pigeon", "", "pigeon*", ()),
    "pigeon: files is not a tuple of str, but ['p*']": lambda: Source("pigeon", "", ["p*"], ()),
    "pigeon: lists is not a tuple of str, but 'flights'": lambda: source(lists="flights"),
    "pigeon: keys is not a tuple of frozenset, but frozenset({'ring'})": lambda: source(keys=frozenset({"ring"})),
    "pigeon: keys is not a tuple of frozenset, but ('ring',)": lambda: source(keys=("ring",)),
    "permanent is not a tuple of tuple, but ('type', 'lost')": lambda: FailureWords(permanent=("type", "lost")),
    "stopped is not a tuple of tuple, but 'coo'": lambda: FailureWords(stopped="coo"),
    "secrets of a webhook is not a tuple of Secret": lambda: replace(STANDARD, secrets=Secret("ring", "its number")),
    "secrets of a challenge is not a tuple of Secret": lambda: Challenge(("ring",), lambda *_: ""),
}


def source(**more: Any) -> Source:
    return Source(**{"name": "pigeon", "title": "", "files": (), "keys": (), "select": "from raw", **more})


@pytest.mark.parametrize("problem", NOT_TUPLES)
def test_one_value_in_place_of_a_tuple_is_refused_where_it_stands(problem: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(problem)):
        NOT_TUPLES[problem]()


SENDER = """
from types import SimpleNamespace
from cdp.delivery import Setting

SENDER = SimpleNamespace(channels={channels}, settings={settings})
"""


@pytest.mark.parametrize(
    ("channels", "settings", "problem"),
    [('"sms"', "()", "channels is not a tuple of str"), ('("sms",)', 'Setting("ring", "")', "settings is not a tuple")],
)
def test_a_sender_has_tuples(tmp_path: Path, channels: str, settings: str, problem: str) -> None:
    files = {"send.py": SENDER.format(channels=channels, settings=settings)}
    with (
        added_provider(tmp_path, "pigeon", files),
        pytest.raises(ConfigurationError, match=rf"cdp/providers/pigeon/send\.py: {problem}"),
    ):
        load_providers()


def test_sources_are_listed_by_name(tmp_path: Path) -> None:
    with added_provider(tmp_path, "dove", {"source.py": SOURCE.format(name="dove")}):
        names = list(load_sources())
    assert names == sorted(names) and {"contacts", "dove", "events", "twilio"} <= set(names)
