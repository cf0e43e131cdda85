"""Logs of events: CSV, Parquet or JSON-lines files with a mapping file (`cdp/sources/columns.py`).

Unmapped columns are kept as the event's properties.
"""

from __future__ import annotations

from collections.abc import Mapping

from cdp.channels import CHANNEL_NAMES, CHANNELS
from cdp.fields import EVENT_TYPES
from cdp.sources import Source

SOURCE = Source(
    name="events",
    title="Events by a mapping file",
    files=("*events*",),
    keys=(),
    needs_mapping=True,
    webhook=None,
)

# Event type → its names in other systems, in lower case, words joined by `_`.
EVENT_WORDS: Mapping[str, tuple[str, ...]] = {
    "queued": ("accepted", "scheduled"),
    "sent": ("send", "processed", "email_sent", "sms_sent", "push_sent", "dispatched"),
    "deferred": ("deferral", "delayed"),
    "delivered": ("delivery", "email_delivered", "sms_delivered", "push_delivered"),
    "bounced": ("bounce", "hard_bounce", "soft_bounce", "undelivered", "email_bounced"),
    "rejected": ("reject", "dropped", "drop"),
    "failed": ("fail", "failure", "error"),
    "opened": ("open", "read", "email_opened", "email_open", "seen"),
    "clicked": ("click", "email_clicked", "email_click", "link_clicked", "tapped"),
    "replied": ("reply", "responded", "response", "inbound"),
    "complained": ("complaint", "spam", "spamreport", "spam_report", "marked_as_spam"),
    "unsubscribed": ("unsubscribe", "opt_out", "optout", "opted_out", "stop"),
    "resubscribed": ("resubscribe", "subscribe", "subscribed", "opt_in", "optin", "opted_in", "start"),
    "viewed": (
        "view",
        "page",
        "page_view",
        "pageview",
        "page_viewed",
        "screen",
        "screen_view",
        "visit",
        "visited",
    ),
    "identified": ("identify", "login", "logged_in", "signed_in"),
    "product_viewed": ("product_view", "view_item", "item_viewed", "product_detail_viewed"),
    "added_to_cart": (
        "add_to_cart",
        "product_added",
        "cart",
        "addtocart",
        "added_to_basket",
        "add_to_basket",
    ),
    "removed_from_cart": (
        "remove_from_cart",
        "product_removed",
        "removefromcart",
        "removed_from_basket",
        "remove_from_basket",
    ),
    "checkout_started": ("checkout", "begin_checkout", "checkout_begun", "start_checkout"),
    "ordered": (
        *("order", "orders", "purchase", "purchased", "sale", "sold", "transaction", "bought", "buy"),
        *("order_completed", "order_placed", "order_created", "checkout_completed", "bestellung", "kauf"),
    ),
    "refunded": ("refund", "return", "returned", "order_refunded", "chargeback", "retoure"),
    "consent_changed": ("consent", "consent_change", "consent_updated", "preferences_updated"),
}

CHANNEL_WORDS = {channel.name: channel.words for channel in CHANNELS}


def _word_case(column: str, words: Mapping[str, tuple[str, ...]], known: tuple[str, ...]) -> str:
    """CASE that turns the word in `column` into one of the `known` words, or NULL."""
    branches = (
        f"when {column} in ({', '.join(repr(word) for word in (ours, *words.get(ours, ())))}) then '{ours}'"
        for ours in known
    )
    return f"case {' '.join(branches)} end"


KIND = f"coalesce({_word_case('event_word', EVENT_WORDS, EVENT_TYPES)}, if(event_type is null, null, 'custom'))"
WAY = _word_case("channel_word", CHANNEL_WORDS, CHANNEL_NAMES)

# Reads `statement`, which `select_for` puts before it. Only the item's first row has the event.
SELECT = r"""
select
    file_id, line_number, received_at,
    coalesce(refusal, if(position > 1 and consent.state is null, 'unknown_consent', null)) as refused,
    case refused when 'unknown_event' then 'event_type' when 'unknown_channel' then 'channel'
        when 'no_identifier' then 'no column that identifies a person has a value'
        when 'bad_time' then 'occurred_at' when 'bad_amount' then 'amount'
        when 'unknown_consent' then consent.field end as refused_detail,
    if(position = 1, event_key, null) as event_key,
    way as channel,
    if(position = 1, kind, null) as event_type,
    coalesce(event_name, event_type) as event_name,
    happened_at as occurred_at, message_ref, campaign_ref,
    is_machine, money as amount, currency,
    if(position = 1, properties, null) as properties,
    if(position = 1 and coalesce(product_id, sku) is not null, json_array(json_object('product_id', product_id,
        'sku', sku, 'name', product_name, 'url', product_url, 'image_url', image_url, 'price', price,
        'quantity', quantity)), null) as products,
    customer_id, given_name as first_name, family_name as last_name, email, phone, date_of_birth, street,
        city,
    region, postcode, country, language, timezone, device_token, anonymous_id, external_ids, is_verified,
    consent.channel as consent_channel, consent.purpose as consent_purpose, consent.topic as consent_topic,
    consent.state as consent_state, if(consent.topic is null, 'channel', 'topic') as consent_scope,
    'consent' as consent_basis, 'file' as consent_method
from statement
"""
