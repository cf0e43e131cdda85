"""Twilio's messages: the console's CSV log, the REST list, inbound webhooks and status callbacks.

Formats: https://www.twilio.com/docs/messaging/api/message-resource (the log and the list),
https://www.twilio.com/docs/messaging/guides/webhook-request (inbound),
https://www.twilio.com/docs/messaging/guides/track-outbound-message-status (callbacks, whose `message_id` is our own,
from the URL). The log and the list have the last status of a message only. Keywords:
https://help.twilio.com/articles/223134027, whole message and case-insensitive; `OptOutType` is the interpretation of a
custom keyword by Advanced Opt-Out.
"""

from __future__ import annotations

from cdp.providers.twilio.webhook import WEBHOOK
from cdp.sources import FailureWords, Source
from cdp.sources.keywords import START_WORDS, STOP_WORDS

SOURCE = Source(
    name="twilio",
    title="Twilio message log and webhooks",
    files=("twilio*",),
    keys=(
        frozenset({"Sid", "SentDate", "Status", "Direction"}),
        frozenset({"sid", "account_sid", "direction", "num_segments"}),
        frozenset({"MessageSid", "From", "To"}),
        frozenset({"MessageSid", "MessageStatus"}),
    ),
    lists=("messages",),
    csv_columns=frozenset({"From", "To", "Status", "SentDate", "Sid", "Direction"}),
    webhook=WEBHOOK,
    failures=FailureWords(
        permanent=(
            ("error_code", "30005"),  # unknown number
            ("error_code", "30006"),  # a landline, or a carrier that cannot be reached
            ("error_code", "21211"),  # not a number
            ("error_code", "21614"),  # not a mobile number
        ),
        stopped=(("error_code", "21610"),),
    ),
    select=r"""
with item as (
    select file_id, line_number, received_at,
        from_json(payload, '{
            "From": "VARCHAR", "To": "VARCHAR", "Body": "VARCHAR", "Sid": "VARCHAR", "Status": "VARCHAR",
            "Direction": "VARCHAR", "SentDate": "VARCHAR", "ErrorCode": "VARCHAR", "NumSegments": "VARCHAR",
            "MessageSid": "VARCHAR", "SmsSid": "VARCHAR", "MessageStatus": "VARCHAR", "SmsStatus": "VARCHAR",
            "DateSent": "VARCHAR", "Timestamp": "VARCHAR", "OptOutType": "VARCHAR", "ProfileName": "VARCHAR",
            "FromCountry": "VARCHAR", "ToCountry": "VARCHAR", "message_id": "VARCHAR"}') as hook,
        from_json(payload, '{
            "from": "VARCHAR", "to": "VARCHAR", "body": "VARCHAR", "sid": "VARCHAR", "status": "VARCHAR",
            "direction": "VARCHAR", "date_sent": "VARCHAR", "date_updated": "VARCHAR",
            "date_created": "VARCHAR", "error_code": "VARCHAR", "num_segments": "VARCHAR"}') as rest
    from raw
),
message as (
    select file_id, line_number, received_at,
        coalesce(hook."MessageSid", hook."SmsSid", hook."Sid", rest.sid) as sid,
        nullif(hook.message_id, '') as message_id,
        trim(coalesce(hook."From", rest."from")) as sender,
        trim(coalesce(hook."To", rest."to")) as recipient,
        lower(trim(coalesce(hook."MessageStatus", hook."SmsStatus", hook."Status", rest.status))) as status,
        coalesce(hook."Direction", rest.direction) as direction,
        upper(trim(coalesce(hook."Body", rest.body))) as words,
        upper(trim(hook."OptOutType")) as opt_out_type,
        nullif(trim(coalesce(hook."SentDate", hook."DateSent", hook."Timestamp",
            rest.date_sent, rest.date_updated, rest.date_created)), '') as stated_time,
        hook."MessageSid" is not null or hook."SmsSid" is not null as is_webhook,
        case when hook."SentDate" is not null then 'SentDate' when hook."DateSent" is not null then 'DateSent'
            when hook."Timestamp" is not null then 'Timestamp' when rest.date_sent is not null then 'date_sent'
            when rest.date_updated is not null then 'date_updated'
            when rest.date_created is not null then 'date_created' else 'SentDate' end as time_field,
        rest.sid is not null as is_rest,
        nullif(trim(hook."ProfileName"), '') as profile_name,
        hook."FromCountry" as from_country,
        hook."ToCountry" as to_country,
        nullif(coalesce(hook."ErrorCode", rest.error_code), '') as error_code,
        coalesce(hook."NumSegments", rest.num_segments) as segment_count
    from item
),
directed as (
    select *,
        coalesce(direction = 'inbound' or status in ('received', 'receiving'), false)
            or opt_out_type is not null or (status is null and words is not null) as is_inbound,
        coalesce(from_iso(stated_time), from_rfc2822(stated_time),
            case when stated_time is null and is_webhook then received_at end) as happened_at
    from message
),
read as (
    select *,
        case when is_inbound then sender else recipient end as address,
        case
            when not is_inbound then null
            when nullif(opt_out_type, '') is not null then opt_out_type
            when words in """
    + STOP_WORDS
    + r""" then 'STOP'
            when words in """
    + START_WORDS
    + r""" then 'START'
        end as keyword,
        -- Short codes and sender names have fewer than seven digits.
        nullif(regexp_extract(address, '^(?:whatsapp:|rcs:)?(\+?[0-9(][0-9 ().-]{6,})$', 1), '') as number,
        case
            when is_inbound then
                case keyword when 'STOP' then 'unsubscribed' when 'START'
                    then 'resubscribed' else 'replied' end
            when status in ('queued', 'accepted', 'scheduled') then 'queued'
            when status in ('sending', 'sent') then 'sent'
            when status = 'delivered' then 'delivered'
            when status = 'read' then 'opened'
            when status = 'undelivered' then 'bounced'
            when status = 'failed' then 'failed'
            when status = 'canceled' then 'rejected'
        end as kind
    from directed
)
select
    file_id, line_number, received_at,
    if(is_rest, if(is_inbound, 'from', 'to'), if(is_inbound, 'From', 'To')) as person_field,
    time_field,
    case
        when kind is null then 'unknown_event'
        when number is null then 'no_identifier'
        when isfinite(happened_at) is not true then 'bad_time'
    end as refused,
    case refused when 'unknown_event' then case when is_rest then 'status' when is_webhook then 'MessageStatus'
        else 'Status' end when 'bad_time' then time_field
        when 'no_identifier' then person_field end as refused_detail,
    sid || ':' || if(is_inbound, 'received', kind) as event_key,
    if(sender like 'whatsapp:%' or recipient like 'whatsapp:%', 'whatsapp', 'sms') as channel,
    kind as event_type,
    coalesce(status, 'received') as event_name,
    happened_at as occurred_at,
    sid as message_ref,
    message_id,
    false as is_machine,
    json_object('direction', direction, 'error_code', error_code, 'segments', segment_count) as properties,
    number as phone,
    if(is_inbound, regexp_replace(profile_name, '\s+\S+$', ''), null) as first_name,
    if(is_inbound, nullif(regexp_extract(profile_name, '\s(\S+)$', 1), ''), null) as last_name,
    if(is_inbound, from_country, to_country) as country,
    is_inbound or status in ('delivered', 'read') as is_verified,
    case when keyword in ('STOP', 'START') then channel end as consent_channel,
    'marketing' as consent_purpose,
    if(keyword = 'STOP', 'withdrawn', 'granted') as consent_state,
    'channel' as consent_scope,
    'consent' as consent_basis,
    'keyword' as consent_method
from read
""",
)
