"""Documents of invented people, as long as real ones, for the store's and the API's benchmarks."""

from __future__ import annotations

import hashlib
import json

import polars as pl

from cdp.fields import CORE_TRAITS

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def profile_id(number: int) -> str:
    digits = []
    for _ in range(26):
        number, digit = divmod(number, 32)
        digits.append(CROCKFORD[digit])
    return "prf_" + "".join(reversed(digits))


def documents(count: int) -> pl.DataFrame:
    """profile_id, document, document_hash."""
    texts = [_document(number) for number in range(count)]
    return pl.DataFrame(
        {
            "profile_id": [profile_id(number) for number in range(count)],
            "document": texts,
            "document_hash": [hashlib.md5(text.encode()).hexdigest() for text in texts],
        }
    )


def _document(number: int) -> str:
    """The parts of a published document (pipelines/publish/sql/documents.sql), some 3 KB."""
    seen_at = "2026-06-30T08:00:00.000Z"
    given = {"first_name": "Ann", "last_name": "Example", "email": f"person{number}@example.com", "city": "Bern"}
    traits = dict.fromkeys(CORE_TRAITS) | given
    evidence = {"trait": "city", "value": "Bern", "is_current": True, "source": "shopify", "observed_at": seen_at}
    preference = {
        **{"channel": "email", "reachable": True, "score": 0.2, "low": 0.1, "high": 0.3, "best_hours": [9, 18]},
        **{"received_count": 20, "response_count": 4, "decayed_received": 15.5, "decayed_responses": 3.2, "prior": 0.1},
    }
    document = {
        **{"profile_id": profile_id(number), "traits": traits, "created_at": seen_at, "last_seen_at": seen_at},
        **{"trait_evidence": [{**evidence, "file": "orders.jsonl.gz", "line_number": line} for line in range(12)]},
        **{"identifiers": [{"type": "email", "value": traits["email"], "quality": "unique", "last_seen_at": seen_at}]},
        **{"segments": [{"segment": "loyal", "entered_at": seen_at}], "preferences": [preference] * 4},
        **{"metrics": {"order_count": 3, "order_value": 120.5, "currency": "CHF"}},
        **{"identity": {"observation_count": 4, "source_count": 2, "members": ["0" * 32] * 4, "aliases": []}},
    }
    return json.dumps(document)
