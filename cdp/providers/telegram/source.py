"""Updates of a Telegram bot: messages of people, and who has blocked it.

Format: https://core.telegram.org/bots/api#update; a file may have them as `getUpdates` answers. Only private chats are
read: their id is their user's, and a group is nobody's address. `allowed_updates` of the webhook are `message` and
`my_chat_member`.

/start, which everybody sends who opens a bot, is START, and /stop is STOP: the bot's description, which stands above
that button, is where the company says what people start. Blocking the bot is an opt-out. Unblocking it lifts the
suppression, and is consent to service messages only; the button that restarts a bot sends /start as well.

The name that a person shows is not taken: people choose it freely, and records that call a person by different names
are kept apart. A phone number is taken from the sender's own contact, which Telegram vouches for. The text of messages
is only checked for keywords and not stored. A message is named by a hash: its number counts within its chat only, and
the id of the chat is an address.
"""

from __future__ import annotations

from cdp.providers.telegram.webhook import WEBHOOK
from cdp.sources import Source

SOURCE = Source(
    name="telegram",
    title="Telegram bot updates",
    files=("telegram*",),
    keys=(frozenset({"update_id"}), frozenset({"ok", "result"})),
    lists=("result",),
    webhook=WEBHOOK,
    select=r"""
with item as (
    select file_id, line_number, received_at, unnest(from_json(payload, '{
        "message": {"message_id": "VARCHAR", "date": "VARCHAR", "text": "VARCHAR",
            "chat": {"id": "VARCHAR", "type": "VARCHAR"}, "from": {"id": "VARCHAR", "language_code": "VARCHAR"},
            "contact": {"phone_number": "VARCHAR", "user_id": "VARCHAR"},
            "reply_to_message": {"message_id": "VARCHAR"}},
        "my_chat_member": {"date": "VARCHAR", "new_chat_member": {"status": "VARCHAR"},
            "chat": {"id": "VARCHAR", "type": "VARCHAR"}, "from": {"id": "VARCHAR", "language_code": "VARCHAR"}}}'))
    from raw
),
told as (
    select file_id, line_number, received_at, message,
        case when message is not null then 'message' when my_chat_member is not null then 'member' else 'other' end
            as part,
        coalesce(message.chat, my_chat_member.chat) as chat,
        coalesce(message."from", my_chat_member."from") as sender,
        coalesce(message."date", my_chat_member."date") as told_at,
        my_chat_member.new_chat_member.status as status,
        upper(trim(message."text")) as word,
        -- In private chats, too, commands may name the bot: /start@alpine_bot.
        regexp_extract(word, '^/(START|STOP)(?:@\w+)?(?:\s|$)', 1) as command
    from item
),
read as (
    select *,
        from_unix(try_cast(told_at as decimal(16, 6))) as happened_at,
        nullif(regexp_extract(chat.id, '^[1-9]\d*$'), '') as chat_id,
        md5(concat_ws(':', chat_id, coalesce(message.reply_to_message.message_id, message.message_id))) as answered,
        case
            when command = 'STOP' or word in ('STOP', 'STOPALL', 'UNSUBSCRIBE', 'CANCEL', 'END', 'QUIT')
                or status = 'kicked' then 'withdrawn'
            when command = 'START' or word in ('START', 'UNSTOP') or status = 'member' then 'granted'
        end as stated,
        case when stated = 'withdrawn' then 'unsubscribed' when stated = 'granted' then 'resubscribed'
            when part = 'message' then 'replied' end as kind
    from told
)
select
    file_id, line_number, received_at,
    'chat.id' as person_field,
    'date' as time_field,
    case
        when part = 'other' or chat.type <> 'private' then 'unsupported'
        when kind is null then 'unknown_event'
        when chat_id is null then 'no_identifier'
        when happened_at is null then 'bad_time'
    end as refused,
    case refused
        when 'unsupported' then if(part = 'other', 'neither message nor my_chat_member', 'chat.type')
        when 'unknown_event' then 'new_chat_member.status'
        when 'no_identifier' then person_field
        when 'bad_time' then time_field
    end as refused_detail,
    if(part = 'message', chat_id || ':' || message.message_id, concat_ws(':', 'member', chat_id, told_at, status))
        as event_key,
    'telegram' as channel,
    kind as event_type,
    case when part = 'member' then if(status = 'kicked', 'blocked', 'unblocked')
        when command <> '' then lower(command) else 'message' end as event_name,
    happened_at as occurred_at,
    if(message.message_id is null, null, answered) as message_ref,
    false as is_machine,
    sender.language_code as language,
    if(message.contact.user_id = sender.id,
        '+' || regexp_replace(message.contact.phone_number, '[^0-9]', '', 'g'), null) as phone,
    json_object('telegram_chat', chat_id) as external_ids,
    true as is_verified,
    if(stated is not null, 'telegram', null) as consent_channel,
    if(event_name = 'unblocked', 'transactional', 'marketing') as consent_purpose,
    stated as consent_state,
    'channel' as consent_scope,
    'consent' as consent_basis,
    if(part = 'message', 'keyword', event_name) as consent_method
from read
""",
)
