"""What the tables of decisions hold of people."""

from __future__ import annotations

from cdp.store.manifest import Lines, Manifest, columns

MANIFEST: Manifest = {
    "decisions": Lines(
        "delete",
        columns(
            # The facts behind a decision, without addresses: consents, messages, preferences.
            describes="facts answer request purpose channel send_at outcome",
            refers="decision_id profile_id",
            none="client_id policy_hash policy_version decided_at outcome_at",
        ),
        "profile_id",
    ),
    "offer_claims": Lines(
        "delete",
        columns(describes="scope terms terms_hash claimed_at until handed_over_at", refers="profile_id held_by"),
        "profile_id",
    ),
    "holdouts": Lines("delete", columns(describes="name is_held_out since", refers="profile_id"), "profile_id"),
    "policies": Lines("keep", columns(none="policy_hash version document first_used_at")),
}
