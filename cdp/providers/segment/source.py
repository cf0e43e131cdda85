"""Segment's calls, from the tracking API or an archive. RudderStack's calls are the same.

Format: https://www.twilio.com/docs/segment/connections/spec (common fields, and the e-commerce, e-mail and
mobile specs). `timestamp` is in server time: receivedAt − (sentAt − originalTimestamp); if there
is only the client's time, the same correction is made here. RudderStack's SDKs send `originalTimestamp` only, and the
traits of a person in `context.traits`.

A null trait unsets the trait: the properties of the identify call have it as null, by the name of its column if there
is one.

What the tracking API receives carries `receivedBy`, the credential that it came by: the calls of a write key, which
every visitor of a page can read, are claims. A claim gives nobody an address on a platform (`PLATFORM_IDS`): the
company's servers know these ids and browsers do not, and messages would go to whoever claims one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from cdp.channels import PLATFORM_ID_TYPES
from cdp.fields import PRODUCT_EVENT_TYPES
from cdp.json_text import MAX_DEPTH
from cdp.providers.segment.webhook import WEBHOOK
from cdp.sources import Source

_TRAITS = """{"email": "VARCHAR", "phone": "VARCHAR", "name": "VARCHAR", "firstName": "VARCHAR",
    "first_name": "VARCHAR",
            "lastName": "VARCHAR", "last_name": "VARCHAR", "birthday": "VARCHAR", "city": "VARCHAR",
                "country": "VARCHAR",
            "address": {"street": "VARCHAR", "city": "VARCHAR", "state": "VARCHAR", "postalCode": "VARCHAR",
                "postal_code": "VARCHAR", "zip": "VARCHAR", "country": "VARCHAR"}}"""

# Where the traits that are columns of the observation are found; an identify call has the others as its properties.
_FOUND_AT = {
    **{"email": ("email",), "phone": ("phone",), "date_of_birth": ("birthday",)},
    **{"first_name": ("firstName", "first_name", "name"), "last_name": ("lastName", "last_name", "name")},
    **{"street": ("address.street", "address"), "city": ("address.city", "address", "city")},
    **{"region": ("address.state", "address")},
    **{"postcode": ("address.postalCode", "address.postal_code", "address.zip", "address")},
    **{"country": ("address.country", "address", "country")},
}
_WITHOUT_COLUMNS = json.dumps({path: None for paths in _FOUND_AT.values() for path in paths if "." not in path})

# The events of the e-commerce, e-mail and mobile specs: their channel, unless it is the client's, and their type.
_EVENTS: Mapping[str, tuple[str | None, str]] = {
    "product viewed": (None, "product_viewed"),
    "product added": (None, "added_to_cart"),
    "product removed": (None, "removed_from_cart"),
    "checkout started": (None, "checkout_started"),
    "order completed": (None, "ordered"),
    "order refunded": (None, "refunded"),
    "email sent": ("email", "sent"),
    "email delivered": ("email", "delivered"),
    "email opened": ("email", "opened"),
    "email link clicked": ("email", "clicked"),
    "email clicked": ("email", "clicked"),
    "email bounced": ("email", "bounced"),
    "email marked as spam": ("email", "complained"),
    "unsubscribed": ("email", "unsubscribed"),
    "email unsubscribed": ("email", "unsubscribed"),
    "email resubscribed": ("email", "resubscribed"),
    "sms sent": ("sms", "sent"),
    "sms delivered": ("sms", "delivered"),
    "sms clicked": ("sms", "clicked"),
    "sms link clicked": ("sms", "clicked"),
    "sms bounced": ("sms", "bounced"),
    "sms failed": ("sms", "failed"),
    "sms replied": ("sms", "replied"),
    "sms unsubscribed": ("sms", "unsubscribed"),
    "sms resubscribed": ("sms", "resubscribed"),
    "push notification sent": ("push", "sent"),
    "push notification received": ("push", "delivered"),
    "push notification delivered": ("push", "delivered"),
    "push notification tapped": ("push", "clicked"),
    "push notification opened": ("push", "clicked"),
    "push notification bounced": ("push", "bounced"),
}

_PRODUCT_KINDS = ", ".join(f"'{kind}'" for kind in PRODUCT_EVENT_TYPES)

# The maximum length of the API's identifiers. PostgreSQL limits index entries to 2,704 bytes.
_MAX_ID = 512


def _id_text(key: str) -> str:
    """SQL of an id; NULL for placeholders that clients send instead of an id."""
    return f"""if(regexp_matches(lower(trim("{key}")), '^(|null|undefined|none|nan|true|false|0|[{{\\[].*)$'),
            null, trim("{key}"))"""


def _is_date(text: str) -> str:
    """SQL that is true for a date with a four-digit year, which can be added and subtracted."""
    column = text if text.startswith("coalesce") else f'"{text}"'
    return f"coalesce({column} like '____-__-__%', false)"


def _events() -> str:
    """SQL of a map from an event's words to its channel and type. A lookup costs less than a join."""
    entries = (f"'{words}': {{'way': {_sql(way)}, 'kind': '{kind}'}}" for words, (way, kind) in _EVENTS.items())
    return f"map {{{', '.join(entries)}}}"


def _sql(text: str | None) -> str:
    return f"'{text}'" if text else "null"


def _unset_columns() -> str:
    """SQL of the columns that an identify call sets to null and to nothing else, as members of a JSON object."""
    members = (
        f"""if(list_distinct(list_filter(json_type(all_traits, {[f"$.{path}" for path in paths]}),
                lambda kind: kind <> 'OBJECT')) = ['NULL'], '"{column}":null', null)"""
        for column, paths in _FOUND_AT.items()
    )
    return f"if(all_traits::varchar like '%null%', nullif(concat_ws(',', {', '.join(members)}), ''), null)"


SOURCE = Source(
    name="segment",
    title="Segment (and Rudder) calls",
    files=("segment*", "rudder*"),
    keys=(
        frozenset({"type", "messageId"}),
        frozenset({"type", "anonymousId"}),
        frozenset({"type", "userId"}),
        frozenset({"type", "originalTimestamp"}),
        frozenset({"type", "context"}),
    ),
    lists=("batch",),
    webhook=WEBHOOK,
    select=rf"""
with item as (
    select file_id, line_number, received_at, json_type(payload) as form, unnest(from_json(payload, '{{
        "type": "VARCHAR", "event": "VARCHAR", "name": "VARCHAR", "messageId": "VARCHAR",
            "channel": "VARCHAR",
        "userId": "VARCHAR", "anonymousId": "VARCHAR", "previousId": "VARCHAR", "groupId": "VARCHAR",
        "timestamp": "VARCHAR", "originalTimestamp": "VARCHAR", "sentAt": "VARCHAR", "receivedAt": "VARCHAR",
        "traits": "JSON", "properties": "JSON",
        "receivedBy": {{"name": "VARCHAR", "isClaim": "BOOLEAN", "mayGrant": "VARCHAR"}},
        "context": {{
            "traits": "JSON", "locale": "VARCHAR", "timezone": "VARCHAR", "campaign": {{"name": "VARCHAR"}},
            "device": {{"token": "VARCHAR", "type": "VARCHAR", "model": "VARCHAR"}},
            "app": {{"name": "VARCHAR", "version": "VARCHAR"}},
            "library": {{"name": "VARCHAR"}}, "page": {{"url": "VARCHAR"}},
            "externalId": [{{"id": "VARCHAR", "type": "VARCHAR"}}],
            "externalIds": [{{"id": "VARCHAR", "type": "VARCHAR"}}]}}}}'))
    from raw
),
call as (
    select * replace (lower(trim("type")) as "type", if(json_type(properties) = 'OBJECT', properties,
        null) as properties),
        -- The traits of a group call are the group's.
        from_json(if(lower(trim("type")) = 'group', null, traits), '{_TRAITS}') as own,
        from_json(context.traits, '{_TRAITS}') as known,
        from_json(properties, '{{"order_id": "VARCHAR", "orderId": "VARCHAR", "total": "VARCHAR",
            "revenue": "VARCHAR", "value": "VARCHAR", "currency": "VARCHAR", "campaign_id": "VARCHAR",
            "campaign_name": "VARCHAR", "campaign": {{"name": "VARCHAR"}}, "email_id": "VARCHAR",
            "message_id": "VARCHAR", "list_id": "VARCHAR"}}') as p,
        nullif(trim(event), '') as event_text,
        if(lower(trim("type")) = 'track', trim(regexp_replace(lower(event), '[^a-z0-9]+', ' ', 'g')),
            null) as event_word,
        {_id_text("userId")} as user_id,
        {_id_text("anonymousId")} as visitor_id,
        {_id_text("previousId")} as previous_id,
        from_iso("timestamp") as server_time,
        from_iso("originalTimestamp") as client_time,
        list_filter(list_concat(context."externalId", context."externalIds"),
            lambda other: other.id is not null and other."type" is not null
                and not (coalesce("receivedBy"."isClaim", false) and other."type" in {PLATFORM_ID_TYPES})) as other_ids,
        -- RudderStack sends all traits in the context; root traits are empty then.
        if(json_type(traits) = 'OBJECT' and traits::varchar <> '{{}}', traits, context.traits) as all_traits
    from item
),
person as (
    select *,
        coalesce(nullif(trim(own.email), ''), nullif(trim(known.email), '')) as address,
        coalesce(nullif(trim(own.phone), ''), nullif(trim(known.phone), '')) as number,
        coalesce(nullif(trim(own.name), ''), nullif(trim(known.name), '')) as full_name,
        coalesce(own.address, known.address) as home,
        case
            when "timestamp" is null and "originalTimestamp" is null
                then coalesce(from_iso("receivedAt"), from_iso("sentAt"), received_at)
            when server_time is not null and client_time is not null then server_time
            when {_is_date("receivedAt")} and {_is_date("sentAt")}
                and {_is_date('coalesce("timestamp", "originalTimestamp")')}
                then coalesce(server_time + (from_iso("receivedAt") - from_iso("sentAt")),
                    client_time + (from_iso("receivedAt") - from_iso("sentAt")), server_time, client_time)
            else coalesce(server_time, client_time)
        end as happened_at,
        case
            when "type" = 'screen' or channel = 'mobile' then 'app'
            when regexp_matches(lower(context.library.name), 'javascript|analytics\.js') then 'web'
            when coalesce(context.device.token, context.device."type", context.device.model, context.app.name,
                context.app.version) is not null
                or regexp_matches(lower(context.library.name),
                    'android|ios|swift|kotlin|flutter|react-native') then 'app'
            else 'web'
        end as place
    from call
),
read as (
    select *,
        coalesce(named.way, place) as way,
        case
            when "type" = 'track' and event_text is not null then coalesce(named.kind, 'custom')
            when "type" in ('page', 'screen') then 'viewed'
            when "type" = 'identify' then 'identified'
            when "type" = 'group' then 'custom'
        end as kind
    from (select *, ({_events()})[event_word] as named from person)
)
select
    file_id, line_number, received_at,
    'userId, anonymousId' as person_field,
    case when "timestamp" is not null then 'timestamp' when "originalTimestamp" is not null then 'originalTimestamp'
        else 'receivedAt' end as time_field,
    case
        when form <> 'OBJECT' then 'malformed'
        when kind is null and "type" is distinct from 'alias' then 'unknown_event'
        when coalesce(user_id, visitor_id) is null then 'no_identifier'
        when greatest(length(user_id), length(visitor_id), length(previous_id)) > {_MAX_ID} then 'bad_identifier'
        when isfinite(happened_at) is not true then 'bad_time'
    end as refused,
    case refused
        when 'malformed' then 'not an object of finite numbers and valid text, of at most 32 KB and {MAX_DEPTH} levels'
        when 'unknown_event' then if("type" = 'track', 'event', 'type')
        when 'no_identifier' then person_field
        when 'bad_identifier' then 'an id is longer than {_MAX_ID} characters'
        when 'bad_time' then time_field
    end as refused_detail,
    nullif("messageId", '') as event_key,
    way as channel,
    kind as event_type,
    case when "type" = 'track' then event_text when "type" in ('page', 'screen') then coalesce(nullif(name,
        ''), "type")
        else "type" end as event_name,
    happened_at as occurred_at,
    coalesce(p.email_id, p.message_id) as message_ref,
    coalesce(p.campaign_id, p.campaign_name, p.campaign.name, context.campaign.name) as campaign_ref,
    false as is_machine,
    "receivedBy"."isClaim" as is_claim,
    "receivedBy".name || coalesce(' (may grant: ' || "receivedBy"."mayGrant" || ')', '') as credential,
    try_cast(coalesce(p.total, p.revenue, p.value) as decimal(18, 2)) as amount,
    p.currency as currency,
    case
        when "type" = 'identify' and json_type(all_traits) = 'OBJECT' then concat('{{', concat_ws(',',
            {_unset_columns()},
            nullif(json_merge_patch(all_traits, '{_WITHOUT_COLUMNS}')[2:-2], '')), '}}')
        when "type" = 'group' then json_merge_patch(json_object('group_id', "groupId"), coalesce(traits,
            '{{}}'))
        when p.order_id is null and p."orderId" is not null
            then json_merge_patch(properties, json_object('order_id', p."orderId"))
        else properties
    end as properties,
    if(kind in ({_PRODUCT_KINDS}), if(json_array_length(properties, '$.products') > 0, properties->'$.products',
        json_array(properties)), null) as products,
    user_id as customer_id,
    coalesce(own."firstName", own.first_name, known."firstName", known.first_name,
        regexp_replace(full_name, '\s+\S+$', '')) as first_name,
    coalesce(own."lastName", own.last_name, known."lastName", known.last_name,
        nullif(regexp_extract(full_name, '\s(\S+)$', 1), '')) as last_name,
    address as email,
    number as phone,
    coalesce(own.birthday, known.birthday) as date_of_birth,
    home.street as street,
    coalesce(home.city, own.city, known.city) as city,
    home.state as region,
    coalesce(home."postalCode", home.postal_code, home.zip) as postcode,
    coalesce(home.country, own.country, known.country) as country,
    context.locale as language,
    context.timezone as timezone,
    if(length(context.device.token) between 1 and {_MAX_ID}, context.device.token, null) as device_token,
    visitor_id as anonymous_id,
    case
        when previous_id is not null then json_object('previous_id', previous_id)
        when len(other_ids) > 0 then list_reduce(
            list_transform(other_ids, lambda other: json_object(other."type", other.id)),
            lambda one, more: json_merge_patch(one, more))
    end as external_ids,
    case when way in ('email', 'sms') and kind in ('unsubscribed', 'complained', 'resubscribed') then way end
        as consent_channel,
    'marketing' as consent_purpose,
    p.list_id as consent_topic,
    if(kind = 'resubscribed', 'granted', 'withdrawn') as consent_state,
    if(p.list_id is null, 'channel', 'topic') as consent_scope,
    'consent' as consent_basis,
    event_text as consent_method
from read
""",
)
