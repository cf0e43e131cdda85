"""Firebase Cloud Messaging's delivery export to BigQuery, as JSON lines.

Format: https://firebase.google.com/docs/cloud-messaging/understand-delivery (BigQuery data export). The
export omits null fields: a message to a topic has no `instance_id` until a device receives it.
"""

from __future__ import annotations

from cdp.sources import Source

SOURCE = Source(
    name="fcm",
    title="Firebase Cloud Messaging export",
    files=("fcm*", "firebase_messaging*"),
    keys=(
        frozenset({"message_id", "instance_id", "event", "event_timestamp"}),
        frozenset({"project_number", "message_id", "event"}),
    ),
    select=r"""
with item as (
    select file_id, line_number, received_at, unnest(from_json(payload, '{
        "event": "VARCHAR", "event_timestamp": "VARCHAR", "message_id": "VARCHAR", "instance_id": "VARCHAR",
        "analytics_label": "VARCHAR", "message_type": "VARCHAR", "sdk_platform": "VARCHAR",
        "app_name": "VARCHAR", "topic": "VARCHAR", "bulk_id": "VARCHAR"}'))
    from raw
),
read as (
    select *, nullif(trim(instance_id), '') as device, from_iso(event_timestamp) as happened_at,
        case
            when event = 'MESSAGE_ACCEPTED' then 'sent'
            when event = 'MESSAGE_DELIVERED' then 'delivered'
            when event = 'MESSAGE_OPENED' then 'opened'
            when event in ('MISSING_REGISTRATIONS', 'UNAUTHORIZED_REGISTRATION', 'INVALID_REGISTRATION',
                'NOT_REGISTERED', 'UNREGISTERED') then 'bounced'
            when event = 'MESSAGE_RECEIVED_INTERNAL_ERROR' or event not like 'MESSAGE%' then 'failed'
        end as kind
    from item
)
select
    file_id, line_number, received_at,
    'instance_id' as person_field,
    'event_timestamp' as time_field,
    case
        when kind is null then 'unknown_event'
        when device is null then 'no_identifier'
        when isfinite(happened_at) is not true then 'bad_time'
    end as refused,
    case refused when 'unknown_event' then 'event' when 'no_identifier' then person_field
        when 'bad_time' then time_field end as refused_detail,
    -- A message to a topic reaches many devices under one id.
    message_id || ':' || device || ':' || event as event_key,
    'push' as channel,
    kind as event_type,
    event as event_name,
    happened_at as occurred_at,
    message_id as message_ref,
    nullif(analytics_label, '') as campaign_ref,
    false as is_machine,
    json_object('message_type', message_type, 'sdk_platform', sdk_platform, 'app_name', app_name,
        'topic', topic, 'bulk_id', bulk_id) as properties,
    device as device_token,
    kind in ('delivered', 'opened') as is_verified
from read
""",
)
