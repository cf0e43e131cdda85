"""Relations that Python makes for the SQL of this room; every other one is made by the file of its name in `sql/`."""

from __future__ import annotations

PROVIDED = {
    "consent_entries": "statements of the ledger and of this run's logs: `cdp.consent.known.ENTRY_COLUMNS`",
    "suppressing": "suppressions and what lifts them: `cdp.consent.known.SUPPRESSION_COLUMNS`",
    "contact_points": "addresses that these speak of: contact_point_id, type, value",
    "opt_out_reaches": "the channels that an opt-out reaches: region, channel, further",
    "effects": "what an event states or does to its address: a row for each event type, channel and word",
    "known_entries": "statements that the store has: entry_id",
    "known_suppressions": "suppressions that the store has: entry_id",
    "segment_events": "of `told_events`, what the catalogue looks at (cdp/segments/gathering.py)",
}
