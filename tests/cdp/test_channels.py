"""The table of channels is sound: a mistake in a new row is found here, not by those who rely on it."""

from __future__ import annotations

from collections import Counter

import pytest

from cdp.channels import CHANNELS, Channel
from cdp.fields import IDENTIFIER_TYPES
from cdp.worker import HOUSEKEEPING


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
    assert channel.address_type or not (channel.needs_contact or channel.has_keywords or channel.windowed_outcomes)
