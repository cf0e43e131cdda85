"""The tables of channels and platform ids are sound: a mistake in a new row is found here, not by those who rely on it.

The SQL that reads platform ids is held against their spelling elsewhere.
"""

from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdp.channels import CHANNELS, PLATFORM_IDS, Channel, PlatformId, channels_addressed_by
from cdp.fields import IDENTIFIER_TYPES
from cdp.normalise import normalise_identifiers
from cdp.sources.headers import recognise
from cdp.worker import HOUSEKEEPING
from tests.cdp.mapping import scratch


def test_nothing_is_declared_twice() -> None:
    names = Counter(name for channel in CHANNELS for name in (channel.name, *channel.words))
    names.update(kind.name for kind in HOUSEKEEPING)
    assert [name for name, count in names.items() if count > 1] == []


@pytest.mark.parametrize("channel", CHANNELS, ids=lambda channel: channel.name)
def test_a_row_is_complete(channel: Channel) -> None:
    # Names are parts of columns, and words are compared in this form.
    assert all(word == word.lower() and word.isidentifier() for word in (channel.name, *channel.words))
    assert channel.title
    assert channel.address_type is None or channel.address_type in IDENTIFIER_TYPES
    assert (channel.form == "chat") == (channel.chat is not None)
    assert channel.address_type or not (channel.needs_contact or channel.has_keywords or channel.windowed_outcomes)


# --- ids on platforms ----------------------------------------------------------------------------------------

every_id = pytest.mark.parametrize("platform_id", PLATFORM_IDS, ids=lambda one: one.type)


@every_id
def test_an_id_is_complete(platform_id: PlatformId) -> None:
    assert Counter(IDENTIFIER_TYPES)[platform_id.type] == 1
    assert channels_addressed_by(platform_id.type)
    for header in platform_id.headers:
        assert recognise([header]) == {platform_id.type: header}


def read_by_sql(external_ids: object) -> list[dict[str, str]]:
    """The identifiers in the further ids of an observation."""
    statement = "select identifiers_of('s', null, null, null, null, null, $1::json)"
    found: list[dict[str, str]] = scratch().scalar(statement, [json.dumps(external_ids)])
    return found


WRITTEN = st.text("0123456789 -+.a\t\n", max_size=24)


@every_id
@given(written=WRITTEN)
def test_what_a_source_gives_is_read_as_what_a_caller_writes(platform_id: PlatformId, written: str) -> None:
    [expected] = normalise_identifiers(platform_id.type, [written], "US")
    found = [{"type": platform_id.type, "value": expected}] if expected else []
    assert read_by_sql({platform_id.type: written}) == found


@pytest.mark.parametrize(
    "external_ids", [None, [], "1", {}, {"crm": "1"}, {"telegram_chat": None}, {"telegram_chat": {}}]
)
def test_other_ids_are_no_platform_ids(external_ids: object) -> None:
    assert read_by_sql(external_ids) == []


def test_a_number_is_an_id_too() -> None:
    assert read_by_sql({"telegram_chat": 1111111}) == [{"type": "telegram_chat", "value": "1111111"}]
