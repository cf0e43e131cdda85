"""Postmark's webhooks: deliveries, bounces, complaints, opens, clicks, subscription changes.

Format: https://postmarkapp.com/developer/webhooks/webhooks-overview; the types of bounces:
https://postmarkapp.com/developer/api/bounce-api#bounce-types. A message that will be retried (`Transient`) is
deferred; an automatic reply is not a bounce. If the sender lifts a suppression, this is no consent: only the person's
own change is. Postmark does not mark machine opens, so the user agent decides.
"""

from __future__ import annotations

from cdp.providers.postmark.webhook import WEBHOOK
from cdp.sources import FailureWords, Source
from cdp.sources.agents import is_machine

SOURCE = Source(
    name="postmark",
    title="Postmark webhooks",
    files=("postmark*",),
    keys=(frozenset({"RecordType", "MessageID"}), frozenset({"RecordType", "MessageStream"})),
    webhook=WEBHOOK,
    failures=FailureWords(permanent=(("type", "hardbounce"), ("type", "bademailaddress"))),
    select=rf"""
with item as (
    select file_id, line_number, received_at, unnest(from_json(payload, '{{
        "RecordType": "VARCHAR", "ID": "VARCHAR", "MessageID": "VARCHAR", "MessageStream": "VARCHAR",
        "Recipient": "VARCHAR", "Email": "VARCHAR", "Type": "VARCHAR", "Tag": "VARCHAR", "Metadata": "JSON",
        "DeliveredAt": "VARCHAR", "BouncedAt": "VARCHAR", "ReceivedAt": "VARCHAR", "ChangedAt": "VARCHAR",
        "UserAgent": "VARCHAR", "OriginalLink": "VARCHAR", "SuppressSending": "BOOLEAN",
        "SuppressionReason": "VARCHAR", "Origin": "VARCHAR"}}'))
    from raw
),
read as (
    select *,
        nullif(trim(coalesce("Recipient", "Email")), '') as address,
        coalesce("DeliveredAt", "BouncedAt", "ReceivedAt", "ChangedAt") as stated_time,
        from_iso(stated_time) as happened_at,
        case "RecordType"
            when 'Bounce' then "Type"
            when 'SubscriptionChange' then if("SuppressSending", "SuppressionReason", 'Reactivated')
        end as reason,
        case
            when "RecordType" = 'Delivery' then 'delivered'
            when "RecordType" = 'Open' then 'opened'
            when "RecordType" = 'Click' then 'clicked'
            when "RecordType" = 'SpamComplaint' or reason = 'SpamComplaint' then 'complained'
            when reason in ('Unsubscribe', 'ManualSuppression') then 'unsubscribed'
            when reason = 'Subscribe' or reason = 'Reactivated' and "Origin" = 'Recipient' then 'resubscribed'
            when reason = 'Transient' then 'deferred'
            when reason = 'ManuallyDeactivated' then 'rejected'
            when reason in ('SMTPApiError', 'TemplateRenderingFailed') then 'failed'
            when reason in ('AutoResponder', 'AddressChange', 'ChallengeVerification', 'OpenRelayTest',
                'Unconfirmed', 'Reactivated') then 'custom'
            when "RecordType" = 'Bounce' or reason = 'HardBounce' then 'bounced'
        end as kind
    from item
)
select
    file_id, line_number, received_at,
    if("RecordType" in ('Bounce', 'SpamComplaint'), 'Email', 'Recipient') as person_field,
    case "RecordType" when 'Delivery' then 'DeliveredAt' when 'SubscriptionChange' then 'ChangedAt'
        when 'Open' then 'ReceivedAt' when 'Click' then 'ReceivedAt' else 'BouncedAt' end as time_field,
    case
        when kind is null then 'unknown_event'
        when address is null then 'no_identifier'
        when isfinite(happened_at) is not true then 'bad_time'
    end as refused,
    case refused
        when 'unknown_event' then if("RecordType" = 'SubscriptionChange', 'SuppressSending', 'RecordType')
        when 'no_identifier' then person_field
        when 'bad_time' then time_field
    end as refused_detail,
    coalesce("RecordType" || ':' || "ID",
        concat_ws(':', "RecordType", "MessageID", lower(address), stated_time, "OriginalLink")) as event_key,
    'email' as channel,
    kind as event_type,
    coalesce("RecordType" || ':' || reason, "RecordType") as event_name,
    happened_at as occurred_at,
    "MessageID" as message_ref,
    "Metadata"->>'$.message_id' as message_id,
    nullif(coalesce("Metadata"->>'$.campaign_id', "Metadata"->>'$.campaign', "Tag"), '') as campaign_ref,
    kind in ('opened', 'clicked') and {is_machine('"UserAgent"')} as is_machine,
    json_object('type', reason, 'url', "OriginalLink", 'stream', "MessageStream", 'origin', "Origin") as properties,
    address as email,
    kind in ('delivered', 'opened', 'clicked') as is_verified,
    case when kind in ('unsubscribed', 'complained', 'resubscribed') then 'email' end as consent_channel,
    'marketing' as consent_purpose,
    if(kind = 'resubscribed', 'granted', 'withdrawn') as consent_state,
    'channel' as consent_scope,
    'consent' as consent_basis,
    coalesce(reason, "RecordType") as consent_method
from read
""",
)
