"""What the tables of messages hold of people.

Beside them, the sandbox writes messages with their addresses to `outbox/` in the home.
"""

from __future__ import annotations

from cdp.store.manifest import Lines, Manifest, columns

_BY_MESSAGE = "message_id -> messages.profile_id"

MANIFEST: Manifest = {
    "messages": Lines(
        "delete",
        columns(
            # `data` and `content` are what the sender gave: an order's number, or any words about the person.
            describes="data content offer purpose topic channel state reason opened_at clicked_at replied_at "
            "complained_at",
            refers="message_id profile_id decision_id parent_id contact_point_id provider_id",
            none="client_id campaign broadcast_id template template_version provider send_at expires_at deadline "
            "urgency fallbacks created_at changed_at",
        ),
        "profile_id",
    ),
    "message_attempts": Lines(
        "delete",
        columns(refers="message_id", none="number provider started_at ended_at outcome error"),
        _BY_MESSAGE,
    ),
    "message_reports": Lines(
        "delete",
        columns(describes="event_type occurred_at", refers="message_id event_id", none="seq received_at state"),
        _BY_MESSAGE,
    ),
    "broadcast_people": Lines(
        "delete",
        columns(describes="outcome", refers="profile_id message_id", none="broadcast_id"),
        "profile_id",
    ),
    # `data` is the same for everybody.
    "broadcasts": Lines(
        "keep",
        columns(
            none="broadcast_id client_id segment template template_version purpose campaign state topic data rate "
            "holdout is_gathered starts_at created_at changed_at"
        ),
    ),
    "provider_health": Lines("keep", columns(none="provider points changed_at")),
    "provider_changes": Lines("keep", columns(none="seq provider points reason changed_at")),
    "provider_rates": Lines("keep", columns(none="provider tokens filled_at")),
}
