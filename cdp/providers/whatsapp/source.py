"""WhatsApp Cloud API webhook bodies: statuses of sent messages, inbound messages, marketing preferences.

Format: https://developers.facebook.com/docs/whatsapp/cloud-api/webhooks/payload-examples. A body contains
entries, an entry contains changes, a change contains any number of statuses, messages or preferences. `wa_id` is a
phone number without the plus sign. The text of inbound messages is only checked for keywords and not stored.
`biz_opaque_callback_data` is our own id of the message if the platform sent it, else the reference of a campaign.
"""

from __future__ import annotations

from cdp.providers.whatsapp.webhook import WEBHOOK
from cdp.sources import Source

SOURCE = Source(
    name="whatsapp",
    title="WhatsApp Cloud API webhook",
    files=("whatsapp*",),
    keys=(frozenset({"object", "entry"}),),
    webhook=WEBHOOK,
    select=r"""
with body as (
    select file_id, line_number, received_at, from_json(payload, '{"object": "VARCHAR",
        "entry": [{"changes": [{
        "field": "VARCHAR",
        "value": {
            "contacts": [{"wa_id": "VARCHAR", "profile": {"name": "VARCHAR"}}],
            "statuses": [{"id": "VARCHAR", "status": "VARCHAR", "timestamp": "VARCHAR",
                "recipient_id": "VARCHAR",
                "biz_opaque_callback_data": "VARCHAR", "pricing": {"category": "VARCHAR"},
                    "errors": [{"code": "VARCHAR", "title": "VARCHAR"}]}],
            "messages": [{"id": "VARCHAR", "from": "VARCHAR", "timestamp": "VARCHAR", "type": "VARCHAR",
                "text": {"body": "VARCHAR"}, "button": {"text": "VARCHAR"},
                "interactive": {"type": "VARCHAR", "button_reply": {"id": "VARCHAR", "title": "VARCHAR"},
                    "list_reply": {"id": "VARCHAR"}},
                "context": {"id": "VARCHAR"}}],
            "user_preferences": [{"wa_id": "VARCHAR", "category": "VARCHAR", "value": "VARCHAR",
                "timestamp": "VARCHAR"}]
        }}]}]}') as content
    from raw
),
change as (
    select file_id, line_number, received_at, change.field as topic, change.value as told
    from (
        select file_id, line_number, received_at, unnest(coalesce(nullif(
            flatten(list_transform(content.entry, lambda entry: entry.changes)), []), [null])) as change
        from body
    )
),
item as (
    select file_id, line_number, received_at, 'status' as part, s.id as ref, s.recipient_id as wa_id,
        s."timestamp" as told_at, s.status as word, s.pricing.category as detail,
            s.errors[1].code as error_code,
        null::varchar as name, null::varchar as reply_to, s.biz_opaque_callback_data as given
    from (select *, unnest(told.statuses) as s from change)
    union all
    select file_id, line_number, received_at, 'message', m.id, m."from", m."timestamp",
        upper(trim(coalesce(m.text.body, m.button.text, m.interactive.button_reply.title))),
        coalesce(m."type", 'message'), null,
        list_filter(told.contacts, lambda contact: contact.wa_id = m."from")[1].profile.name, m.context.id,
            null
    from (select *, unnest(told.messages) as m from change)
    union all
    select file_id, line_number, received_at, 'preference', null, p.wa_id, p."timestamp", p.value,
        p.category, null,
        list_filter(told.contacts, lambda contact: contact.wa_id = p.wa_id)[1].profile.name, null, null
    from (select *, unnest(told.user_preferences) as p from change)
    union all
    select file_id, line_number, received_at, 'other', null, null, null, null, topic, null, null, null, null
    from change
    where coalesce(len(told.statuses), 0) + coalesce(len(told.messages), 0)
        + coalesce(len(told.user_preferences), 0) = 0
),
read as (
    select *,
        from_unix(try_cast(told_at as decimal(16, 6))) as happened_at,
        nullif(regexp_extract(wa_id, '^\+?(\d{5,})$', 1), '') as digits,
        nullif(trim(name), '') as profile_name,
        case
            when part = 'message' and word in ('STOP', 'STOPALL', 'UNSUBSCRIBE', 'CANCEL', 'END', 'QUIT',
                'STOP PROMOTIONS') or part = 'preference' and word = 'stop' then 'withdrawn'
            -- Without YES, which is a common answer to other questions here.
            when part = 'message' and word in ('START', 'UNSTOP')
                or part = 'preference' and word in ('resume', 'signup') then 'granted'
        end as stated,
        case
            when part = 'status' then case word when 'sent' then 'sent' when 'delivered' then 'delivered'
                when 'read' then 'opened' when 'played' then 'opened' when 'failed' then 'failed' end
            when stated = 'withdrawn' then 'unsubscribed'
            when stated = 'granted' then 'resubscribed'
            when part = 'message' and detail in ('system', 'request_welcome') then 'custom'
            when part = 'message' then 'replied'
        end as kind
    from item
)
select
    file_id, line_number, received_at,
    case part when 'status' then 'recipient_id' when 'message' then 'from' else 'wa_id' end as person_field,
    'timestamp' as time_field,
    case
        when part = 'other' then 'unsupported'
        when kind is null then 'unknown_event'
        when digits is null then 'no_identifier'
        when happened_at is null then 'bad_time'
    end as refused,
    case refused when 'unsupported' then 'field' when 'bad_time' then time_field
        when 'unknown_event' then if(part = 'status', 'status', 'value')
        when 'no_identifier' then person_field end as refused_detail,
    case part when 'status' then ref || ':' || word when 'message' then ref || ':received'
        else concat_ws(':', 'preference', digits, told_at, detail, word) end as event_key,
    'whatsapp' as channel,
    kind as event_type,
    case part when 'status' then word when 'message' then detail else 'preference_' || word end as event_name,
    happened_at as occurred_at,
    ref as message_ref,
    if(starts_with(given, 'msg_'), given, null) as message_id,
    if(starts_with(given, 'msg_'), null, nullif(given, '')) as campaign_ref,
    false as is_machine,
    case part when 'status' then json_object('category', detail, 'error_code', error_code)
        when 'message' then json_object('reply_to', reply_to) end as properties,
    regexp_replace(profile_name, '\s+\S+$', '') as first_name,
    nullif(regexp_extract(profile_name, '\s(\S+)$', 1), '') as last_name,
    '+' || digits as phone,
    kind <> 'failed' as is_verified,
    if(stated is not null, 'whatsapp', null) as consent_channel,
    'marketing' as consent_purpose,
    stated as consent_state,
    'channel' as consent_scope,
    'consent' as consent_basis,
    if(part = 'message', 'keyword', 'preference') as consent_method
from read
""",
)
