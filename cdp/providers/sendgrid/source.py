"""SendGrid's Event Webhook, as JSON arrays (one POST body) or as lines.

Format: https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event. Opens by Apple Mail
Privacy Protection have `sg_machine_open`; bounces may lack the custom arguments; `category` is a string or a list of
strings.

The message of an event: `sg_message_id` is the message's id followed by the name of the filter server. Late bounces
lack it, and clicks lack `smtp-id`, which is `<id@host>` with the same id if SendGrid generated it.
"""

from __future__ import annotations

from cdp.providers.sendgrid.webhook import WEBHOOK
from cdp.sources import FailureWords, Source

SOURCE = Source(
    name="sendgrid",
    title="SendGrid event webhook",
    files=("sendgrid*",),
    keys=(frozenset({"sg_event_id"}), frozenset({"sg_message_id", "event", "timestamp"})),
    webhook=WEBHOOK,
    failures=FailureWords(
        # The other type of bounce is `blocked`; the reasons are those of messages dropped by SendGrid.
        permanent=(("type", "bounce"), ("reason", "bounced address")),
        complained=(("reason", "spam reporting address"),),
    ),
    select=r"""
with item as (
    select file_id, line_number, received_at, unnest(from_json(payload, '{
        "event": "VARCHAR", "email": "VARCHAR", "timestamp": "VARCHAR", "sg_event_id": "VARCHAR",
        "sg_message_id": "VARCHAR", "smtp-id": "VARCHAR", "campaign_id": "VARCHAR",
        "singlesend_id": "VARCHAR", "marketing_campaign_id": "VARCHAR", "category": "JSON",
        "sg_machine_open": "BOOLEAN", "asm_group_id": "VARCHAR", "url": "VARCHAR", "reason": "VARCHAR",
        "type": "VARCHAR", "status": "VARCHAR", "message_id": "VARCHAR"}'))
    from raw
),
read as (
    select *, nullif(trim(email), '') as address,
        from_unix(try_cast("timestamp" as decimal(16, 6))) as happened_at,
        event in ('group_unsubscribe', 'group_resubscribe') as of_group,
        case json_type(category) when 'ARRAY' then category->>'$[0]' when 'VARCHAR' then category->>'$' end
            as first_category
    from item
)
select
    file_id, line_number, received_at,
    'email' as person_field,
    'timestamp' as time_field,
    case
        when nullif(trim(event), '') is null then 'unknown_event'
        when address is null then 'no_identifier'
        when happened_at is null then 'bad_time'
    end as refused,
    case refused when 'unknown_event' then 'event' when 'no_identifier' then person_field
        when 'bad_time' then time_field end as refused_detail,
    sg_event_id as event_key,
    'email' as channel,
    case event
        when 'processed' then 'sent'
        when 'deferred' then 'deferred'
        when 'delivered' then 'delivered'
        when 'bounce' then 'bounced'
        when 'dropped' then 'rejected'
        when 'open' then 'opened'
        when 'click' then 'clicked'
        when 'spamreport' then 'complained'
        when 'unsubscribe' then 'unsubscribed'
        when 'group_unsubscribe' then 'unsubscribed'
        when 'group_resubscribe' then 'resubscribed'
        else 'custom'
    end as event_type,
    event as event_name,
    happened_at as occurred_at,
    coalesce(nullif(regexp_extract(sg_message_id, '^(.+?)\.(?:filter|recvd)', 1), ''),
        nullif(regexp_extract("smtp-id", '^<([^@]+)@[^>]*ismtpd', 1), ''), sg_message_id, "smtp-id")
        as message_ref,
    message_id,
    coalesce(campaign_id, singlesend_id, marketing_campaign_id, first_category) as campaign_ref,
    coalesce(sg_machine_open, false) as is_machine,
    case when coalesce(url, reason, "type", status) is not null
        then json_object('url', url, 'reason', reason, 'type', "type", 'status', status) end as properties,
    address as email,
    event in ('delivered', 'open', 'click') as is_verified,
    case when of_group or event in ('unsubscribe', 'spamreport') then 'email' end as consent_channel,
    'marketing' as consent_purpose,
    case when of_group then asm_group_id end as consent_topic,
    case event when 'group_resubscribe' then 'granted' else 'withdrawn' end as consent_state,
    case when of_group and asm_group_id is not null then 'topic' else 'channel' end as consent_scope,
    'consent' as consent_basis,
    event as consent_method
from read
""",
)
