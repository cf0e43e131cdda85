"""Vonage's webhooks of the Messages API: statuses of sent messages, and inbound messages. SMS only.

Formats: https://developer.vonage.com/en/messages/concepts/messages-status-callbacks,
https://developer.vonage.com/en/api/messages (inbound). Numbers have no plus sign. `client_ref` is our own id of the
message if the platform sent it, else the reference of a campaign. The text of inbound messages is only checked for
keywords and not stored. Errors: https://developer.vonage.com/en/api-errors/messages.
"""

from __future__ import annotations

from cdp.providers.vonage.webhook import WEBHOOK
from cdp.sources import FailureWords, Source
from cdp.sources.keywords import START_WORDS, STOP_WORDS

SOURCE = Source(
    name="vonage",
    title="Vonage messages webhook",
    files=("vonage*",),
    keys=(frozenset({"message_uuid", "channel", "timestamp"}), frozenset({"message_uuid", "status", "timestamp"})),
    webhook=WEBHOOK,
    failures=FailureWords(
        permanent=(
            ("error_code", "1170"),  # not a number
            ("error_code", "1190"),  # a number that is no longer in use
        ),
        stopped=(("error_code", "1240"),),
    ),
    select=r"""
with item as (
    select file_id, line_number, received_at, unnest(from_json(payload, '{
        "message_uuid": "VARCHAR", "channel": "VARCHAR", "status": "VARCHAR", "timestamp": "VARCHAR",
        "from": "VARCHAR", "to": "VARCHAR", "text": "VARCHAR", "client_ref": "VARCHAR",
        "error": {"type": "VARCHAR", "title": "VARCHAR"},
        "sms": {"count_total": "VARCHAR", "num_messages": "VARCHAR"}}'))
    from raw
),
message as (
    select file_id, line_number, received_at, message_uuid, client_ref,
        lower(trim(channel)) as medium,
        nullif(lower(trim(status)), '') as word,
        trim("from") as sender,
        trim("to") as recipient,
        upper(trim("text")) as words,
        from_iso("timestamp") as happened_at,
        coalesce(nullif(regexp_extract(error."type", '#(\d{4})$', 1), ''),
            nullif(regexp_extract(error.title, '^(\d{4})$', 1), '')) as error_code,
        coalesce(sms.count_total, sms.num_messages) as segment_count
    from item
),
read as (
    select *,
        word is null as is_inbound,
        -- Short codes and sender names have fewer than seven digits.
        nullif(regexp_extract(if(is_inbound, sender, recipient), '^\+?(\d{7,})$', 1), '') as digits,
        case
            when not is_inbound then null
            when words in """
    + STOP_WORDS
    + r""" then 'STOP'
            when words in """
    + START_WORDS
    + r""" then 'START'
        end as keyword,
        case
            when is_inbound and sender is null then null
            when is_inbound then
                case keyword when 'STOP' then 'unsubscribed' when 'START'
                    then 'resubscribed' else 'replied' end
            when word = 'submitted' then 'sent'
            when word = 'delivered' then 'delivered'
            when word = 'read' then 'opened'
            when word = 'rejected' then 'rejected'
            when word = 'undeliverable' then 'failed'
        end as kind
    from message
)
select
    file_id, line_number, received_at,
    if(is_inbound, 'from', 'to') as person_field,
    'timestamp' as time_field,
    case
        when medium <> 'sms' then 'unsupported'
        when kind is null then 'unknown_event'
        when digits is null then 'no_identifier'
        when isfinite(happened_at) is not true then 'bad_time'
    end as refused,
    case refused when 'unsupported' then 'channel' when 'unknown_event' then 'status'
        when 'bad_time' then time_field when 'no_identifier' then person_field end as refused_detail,
    message_uuid || ':' || if(is_inbound, 'received', word) as event_key,
    'sms' as channel,
    kind as event_type,
    coalesce(word, 'received') as event_name,
    happened_at as occurred_at,
    message_uuid as message_ref,
    if(starts_with(client_ref, 'msg_'), client_ref, null) as message_id,
    if(starts_with(client_ref, 'msg_'), null, nullif(client_ref, '')) as campaign_ref,
    false as is_machine,
    json_object('direction', if(is_inbound, 'inbound', 'outbound'), 'error_code', error_code,
        'segments', segment_count) as properties,
    '+' || digits as phone,
    is_inbound or word = 'delivered' as is_verified,
    if(keyword is not null, 'sms', null) as consent_channel,
    'marketing' as consent_purpose,
    if(keyword = 'STOP', 'withdrawn', 'granted') as consent_state,
    'channel' as consent_scope,
    'consent' as consent_basis,
    'keyword' as consent_method
from read
""",
)
