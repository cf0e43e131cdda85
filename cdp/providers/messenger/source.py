"""Messenger webhook bodies: messages of people and of the page, deliveries, reads, postbacks, reactions, opt-ins.

Format: https://developers.facebook.com/documentation/business-messaging/messenger-platform/webhooks/webhook-events. A
body contains entries, an entry any number of events, under `messaging` or, where another app has the conversation,
under `standby`. The fields to subscribe to are `messages`, `message_echoes`, `message_deliveries`, `message_reads`,
`messaging_postbacks`, `message_reactions`, `messaging_optins` and `messaging_referrals`.

An echo is a message that the page has sent; its `metadata` is our own id if the platform sent it, else the reference
of a campaign. Deliveries name their messages (`mids`) or not, reads never do: then they are of all that were sent
until the `watermark`. The text of messages is only checked for keywords and not stored.
"""

from __future__ import annotations

from cdp.providers.messenger.webhook import WEBHOOK
from cdp.sources import Source

_EVENT = """[{"sender": {"id": "VARCHAR"}, "recipient": {"id": "VARCHAR"}, "timestamp": "VARCHAR",
        "message": {"mid": "VARCHAR", "text": "VARCHAR", "is_echo": "BOOLEAN", "metadata": "VARCHAR",
            "reply_to": {"mid": "VARCHAR", "is_self_reply": "BOOLEAN"}},
        "delivery": {"mids": ["VARCHAR"], "watermark": "VARCHAR"}, "read": {"watermark": "VARCHAR"},
        "postback": {"mid": "VARCHAR"}, "reaction": {"action": "VARCHAR", "mid": "VARCHAR"},
        "optin": {"type": "VARCHAR", "notification_messages_status": "VARCHAR"}, "referral": {"type": "VARCHAR"}}]"""


def _at(text: str) -> str:
    """SQL of a time in Unix milliseconds, or in seconds, as the documentation has it of postbacks."""
    return f"from_unix(try_cast({text} as decimal(18, 3)) / if(length({text}) > 11, 1000, 1))"


SOURCE = Source(
    name="messenger",
    title="Messenger Platform webhook",
    files=("messenger*",),
    # WhatsApp's bodies have the same keys; only files named after the source are Messenger's.
    keys=(),
    webhook=WEBHOOK,
    select=rf"""
with body as (
    select file_id, line_number, received_at,
        from_json(payload, '{{"entry": [{{"messaging": {_EVENT}, "standby": {_EVENT}}}]}}') as content
    from raw
),
event as (
    select file_id, line_number, received_at, unnest(coalesce(nullif(list_concat(
        flatten(list_transform(content.entry, lambda entry: entry.messaging)),
        flatten(list_transform(content.entry, lambda entry: entry.standby))), []), [null])) as told
    from body
),
part as (
    select * exclude (told), unnest(told),
        case
            when told.message.is_echo then 'echo' when told.message is not null then 'message'
            when told.delivery is not null then 'delivery' when told."read" is not null then 'read'
            when told.postback is not null then 'postback' when told.reaction is not null then 'reaction'
            when told.optin is not null then 'optin' when told.referral is not null then 'referral'
            else 'other'
        end as part
    from event
),
item as (
    -- A delivery is an event for each message that it names.
    select *, unnest(coalesce(nullif(delivery.mids, []), [null])) as delivered_mid from part
),
judged as (
    select *,
        if(part = 'echo', recipient.id, sender.id) as person_id,
        nullif(regexp_extract(person_id, '^[1-9]\d*$'), '') as psid,
        coalesce(delivery.watermark, "read".watermark) as watermark,
        coalesce("timestamp", watermark) as told_at,
        {_at("told_at")} as happened_at,
        upper(trim(message."text")) as word,
        optin."type" = 'notification_messages' as is_about_marketing,
        case
            when part = 'message' and word in ('STOP', 'STOPALL', 'UNSUBSCRIBE', 'CANCEL', 'END', 'QUIT')
                or is_about_marketing and optin.notification_messages_status like 'STOP%' then 'withdrawn'
            -- Without YES, which is a common answer to other questions here.
            when part = 'message' and word in ('START', 'UNSTOP') or is_about_marketing then 'granted'
        end as stated,
        case
            when stated = 'withdrawn' then 'unsubscribed'
            when stated = 'granted' then 'resubscribed'
            when part = 'echo' then 'sent'
            when part = 'delivery' then 'delivered'
            when part = 'read' then 'opened'
            when part in ('message', 'postback') or reaction.action = 'react' then 'replied'
            when part in ('reaction', 'optin', 'referral') then 'custom'
        end as kind
    from item
)
select
    file_id, line_number, received_at,
    if(part = 'echo', 'recipient.id', 'sender.id') as person_field,
    'timestamp' as time_field,
    case
        when part = 'other' then 'unsupported'
        when psid is null then 'no_identifier'
        when happened_at is null then 'bad_time'
    end as refused,
    case refused when 'unsupported' then 'messaging' when 'bad_time' then time_field
        when 'no_identifier' then person_field end as refused_detail,
    case part
        when 'message' then message.mid || ':received'
        when 'echo' then message.mid || ':sent'
        when 'delivery' then coalesce(delivered_mid, psid || ':' || watermark) || ':delivered'
        else concat_ws(':', part, psid, told_at, coalesce(postback.mid, reaction.mid), reaction.action)
    end as event_key,
    'messenger' as channel,
    kind as event_type,
    part as event_name,
    happened_at as occurred_at,
    case part
        when 'message' then coalesce(if(message.reply_to.is_self_reply, null, message.reply_to.mid), message.mid)
        when 'echo' then message.mid
        when 'delivery' then delivered_mid
        when 'reaction' then reaction.mid
        else postback.mid
    end as message_ref,
    if(starts_with(message.metadata, 'msg_'), message.metadata, null) as message_id,
    if(starts_with(message.metadata, 'msg_'), null, nullif(message.metadata, '')) as campaign_ref,
    false as is_machine,
    -- A report of all messages until then.
    if(message_ref is null and watermark is not null, json_object('until', iso({_at("watermark")})), null)
        as properties,
    json_object('messenger_psid', psid) as external_ids,
    true as is_verified,
    if(stated is not null, 'messenger', null) as consent_channel,
    'marketing' as consent_purpose,
    stated as consent_state,
    'channel' as consent_scope,
    'consent' as consent_basis,
    if(part = 'message', 'keyword', part) as consent_method
from judged
""",
)
