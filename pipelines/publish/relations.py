"""Relations that Python provides to this folder's SQL; every other one is made by the file of its name in `sql/`."""

from __future__ import annotations

PROVIDED = {
    "wanted": "the profiles of a batch of documents: profile_id",
    "known_hashes": "their documents in the store: profile_id, document_hash",
    "wanted_products": "the products of a batch: key",
    "interest_json()": "a row of `interests` in a document",
    "known_rows": "the store's rows for the relation they are compared with",
    "publishing": "the run, and when the platform accepted its first message: run_id, first_message_at",
    "metrics_documents": "the JSON text of each profile's metrics: profile_id, metrics",
    "core_traits_of()": "the core traits of a profile, as a struct of texts",
    "trait_evidence_json()": "a row of `trait_evidence` in a document",
    "identifier_json()": "a row of `identifiers` in a document",
    "membership_json()": "a row of `segments` in a document",
    "preference_json()": "a row of `preferences` in a document",
    "recent_message_json()": "a row of `recent_messages` in a document",
    "last_reply_json()": "a row of `last_replies` in a document",
}
