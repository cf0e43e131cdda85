"""Mailgun's events: webhook bodies, pages of the Events API, and the flat forms of its legacy webhooks.

Formats: https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/webhook-payloads and
https://documentation.mailgun.com/docs/mailgun/user-manual/events/event-structure. A temporary failure is retried;
a permanent one is a bounce, unless Mailgun did not try (`suppress-…`) or gave up (`old`). Opens and clicks that Mailgun
attributes to a machine have `client-info.bot`. An unsubscribe does not name a list, so it applies to the channel.
"""

from __future__ import annotations

from cdp.providers.mailgun.webhook import WEBHOOK
from cdp.sources import FailureWords, Source
from cdp.sources.agents import is_machine

SOURCE = Source(
    name="mailgun",
    title="Mailgun events and webhooks",
    files=("mailgun*",),
    keys=(
        frozenset({"signature", "event-data"}),
        frozenset({"event", "recipient", "log-level"}),
        frozenset({"event", "log-level", "id", "timestamp"}),
    ),
    lists=("items",),
    webhook=WEBHOOK,
    failures=FailureWords(
        permanent=(("severity", "permanent"),),
        complained=(("reason", "suppress-complaint"),),
    ),
    select=rf"""
with event_data as (
    select file_id, line_number, received_at,
        if(json_type(payload, '$."event-data"') = 'OBJECT', payload->'event-data', payload) as content
    from raw
),
item as (
    select file_id, line_number, received_at, content->>'Message-Id' as old_message_id,
        unnest(from_json(content, '{{
            "event": "VARCHAR", "id": "VARCHAR", "timestamp": "VARCHAR", "recipient": "VARCHAR",
            "severity": "VARCHAR", "reason": "VARCHAR", "url": "VARCHAR", "tags": "JSON", "tag": "VARCHAR",
            "user-variables": "JSON", "campaigns": "JSON", "campaign-id": "VARCHAR", "user-agent": "VARCHAR",
            "message": {{"headers": {{"message-id": "VARCHAR", "to": "VARCHAR"}}}},
            "delivery-status": {{"code": "VARCHAR", "bounce-type": "VARCHAR"}}, "code": "VARCHAR",
            "client-info": {{"client-type": "VARCHAR", "bot": "VARCHAR", "user-agent": "VARCHAR"}}}}'))
    from event_data
),
read as (
    select *,
        lower(trim(event)) as word,
        lower(reason) as why,
        coalesce(nullif(trim(recipient), ''),
            nullif(regexp_extract(message.headers."to", '^[^@]*?([^\s<>,"]+@[^\s<>,"]+)[^@]*$', 1), '')) as address,
        from_unix(try_cast("timestamp" as decimal(16, 6))) as happened_at,
        trim(coalesce(message.headers."message-id", old_message_id), '<> ') as message_ref,
        nullif("client-info".bot, '') is not null or "client-info"."client-type" in ('robot', 'library')
            or {is_machine('coalesce("client-info"."user-agent", "user-agent")')} as is_robot
    from item
),
told as (
    select *,
        case
            when word = 'accepted' then 'queued'
            when word in ('delivered', 'opened', 'clicked', 'complained', 'unsubscribed', 'rejected') then word
            when word = 'failed' and severity = 'temporary' then 'deferred'
            when word = 'failed' and why like 'suppress-%' then 'rejected'
            when word in ('failed', 'bounced') then 'bounced'
            when word = 'dropped' then 'rejected'
        end as kind,
        -- Excludes failures that are permanent for this message only.
        case
            when word = 'bounced' then 'permanent'
            when why in ('old', 'suppress-unsubscribe', 'suppress-complaint') then null
            when "delivery-status"."bounce-type" = 'soft' then null
            when word = 'failed' then severity
        end as lasting_severity
    from read
)
select
    file_id, line_number, received_at,
    'recipient' as person_field,
    'timestamp' as time_field,
    case
        when kind is null then 'unknown_event'
        when address is null then 'no_identifier'
        when happened_at is null then 'bad_time'
    end as refused,
    case refused when 'unknown_event' then 'event' when 'no_identifier' then person_field
        when 'bad_time' then time_field end as refused_detail,
    id as event_key,
    'email' as channel,
    kind as event_type,
    word as event_name,
    happened_at as occurred_at,
    message_ref,
    "user-variables"->>'$.message_id' as message_id,
    coalesce("user-variables"->>'$.campaign_id', "user-variables"->>'$.campaign', campaigns->>'$[0].id',
        "campaign-id", tags->>'$[0]', tag) as campaign_ref,
    coalesce(is_robot, false) and kind in ('opened', 'clicked') as is_machine,
    case when coalesce(url, reason, lasting_severity, "delivery-status".code, code) is not null
        then json_object('url', url, 'reason', reason, 'severity', lasting_severity,
            'code', coalesce("delivery-status".code, code)) end as properties,
    address as email,
    kind in ('delivered', 'opened', 'clicked') as is_verified,
    case when kind in ('unsubscribed', 'complained') then 'email' end as consent_channel,
    'marketing' as consent_purpose,
    'withdrawn' as consent_state,
    'channel' as consent_scope,
    'consent' as consent_basis,
    word as consent_method
from told
""",
)
