"""Relations that Python provides to this folder's SQL; every other one is made by the file of its name in `sql/`."""

from __future__ import annotations

PROVIDED = {
    "consent_entries": "statements of the ledger and of this run's logs: `cdp.consent.known.ENTRY_COLUMNS`",
    "suppressing": "suppressions and their lifts: `cdp.consent.known.SUPPRESSION_COLUMNS`",
    "contact_points": "the addresses in these: contact_point_id, type, value",
    "opt_out_reaches": "the channels that an opt-out extends to: region, channel, further",
    "effects": "an event's statement and effect on its address: a row for each event type, channel and word",
    "known_entries": "statements that the store has: entry_id",
    "known_suppressions": "suppressions that the store has: entry_id",
    "segment_events": "the part of `told_events` that the catalogue uses (cdp/segments/gathering.py)",
}
