"""Third-party payloads: each has an outcome, and few are refused."""

from __future__ import annotations

import pytest

from tests.cdp.mapping import SOURCES, rows_with_outcomes
from tests.cdp.providers.payloads import foreign_items


@pytest.mark.parametrize(
    ("source", "item_count", "refused"),
    [
        ("sendgrid", 13, {}),
        ("segment", 778, {"unknown_event": 24, "no_identifier": 20, "bad_time": 8}),
        ("shopify", 6, {}),
        ("whatsapp", 53, {"unsupported": 23}),
        # Without a recipient, a time or a record type: requests that are about their credentials.
        ("mailgun", 12, {"no_identifier": 7}),
        ("postmark", 11, {"unknown_event": 7, "no_identifier": 1}),
        # Mail that was received, each for two; confirmations and empty notifications.
        ("ses", 13, {"unknown_event": 11}),
    ],
)
def test_foreign_payloads(source: str, item_count: int, refused: dict[str, int]) -> None:
    items = foreign_items(source)
    assert len(items) == item_count
    rows = rows_with_outcomes(SOURCES[source].select, items)
    reasons = [row["refused"] for row in rows if row["refused"]]
    assert {reason: reasons.count(reason) for reason in set(reasons)} == refused
