"""What invented people have done, by the million, made set-wise, for the benchmark of segments.

A person is two observations and ten events on average; a few have a hundred times as many. Six events in ten report
what became of a message (sent, delivered, some opened, clicked, answered, bounced), the rest is done on web, app and
shop: views, carts, orders and refunds. Everything follows from the number of the person, the message and the event.
"""

from __future__ import annotations

from cdp import tables
from cdp.warehouse import Warehouse

AS_OF = "2026-11-01 00:00:00+00"
DAYS = 730
FILE_ID = "f" * 16

# `dice(key, salt)` is a number between 0 and 1.
MACROS = f"""
create or replace temp macro dice(key, salt) as (hash(key, salt) % 1000003) / 1000003.0;
create or replace temp macro profile_of(person) as 'prf_' || crockford(md5_number('person ' || person));
create or replace temp macro observation_of(person, which) as md5('observation ' || person || ' ' || which);
-- Few people do much: the cube makes one in ten do half of all.
create or replace temp macro somebody(key, people) as floor(pow(dice(key, 'who'), 2) * people)::bigint;
create or replace temp macro before(days) as timestamptz '{AS_OF}' - to_microseconds((days * 86400e6)::bigint);
create or replace temp macro channel_of(message) as
    case when dice(message, 'channel') < 0.6 then 'email' when dice(message, 'channel') < 0.8 then 'push'
        when dice(message, 'channel') < 0.93 then 'sms' else 'whatsapp' end;
"""

PROFILES = """
insert into profiles.profiles by name
select profile_of(person) as profile_id, 'Ann' as first_name, 'Example' as last_name,
    'person' || person || '@example.com' as email, '+1' || (2000000000 + person) as phone, 'Bern' as city,
    ['CH', 'DE', 'US'][1 + person % 3] as country,
    ['Europe/Zurich', 'Europe/Berlin', 'America/New_York'][1 + person % 3] as timezone,
    before(730) as created_at, before(dice(person, 'seen') * 730) as last_seen_at, 2 as source_count,
    2 as observation_count, 1.0 as confidence
from (select range as person from range($people))
"""

OBSERVATIONS = f"""
insert into conformed.observations by name
select observation_of(person, which) as observation_id, ['crm', 'shop'][1 + which] as source, false as is_verified,
    false as is_claim,
    before(730) as first_seen_at, before(1) as last_seen_at, 5 as event_count, '{FILE_ID}' as file_id,
    person + 1 as line_number
from (select range as person from range($people)), (select range as which from range(2))
"""

MEMBERS = """
insert into identity.members by name
select observation_of(person, which) as observation_id, profile_of(person) as profile_id,
    'run_20261101T000000_000000' as valid_from_run
from (select range as person from range($people)), (select range as which from range(2))
"""

IDENTIFIERS = """
insert into identity.identifiers by name
select observation_of(person, which) as observation_id, type, value, before(730) as first_seen_at,
    before(1) as last_seen_at
from (
    select range as person, 0 as which, 'email' as type, 'person' || range || '@example.com' as value
    from range($people) where dice(range, 'has email') < 0.8
    union all
    select range, 1, 'phone', '+1' || (2000000000 + range) from range($people) where dice(range, 'has phone') < 0.6
    union all
    select range, 1, 'device_token', 'token ' || range from range($people) where dice(range, 'has app') < 0.3)
"""

IDENTIFIER_VALUES = """
insert into identity.identifier_values by name
select type, value, 0 as epoch, 'unique' as quality, 'one person' as reason, 1 as holder_count, 1 as name_count,
    first_seen_at, last_seen_at
from identity.identifiers
"""

CONSENTS = f"""
insert into conformed.consents by name
select md5('consent ' || person) as consent_id, 'crm' as source, observation_of(person, 0) as observation_id,
    'email' as channel, 'marketing' as purpose, if(dice(person, 'says') < 0.8, 'granted', 'denied') as state,
    'channel' as scope, before(700) as occurred_at, '{FILE_ID}' as file_id, 1 as line_number
from (select range as person from range($people)) where dice(person, 'asked') < 0.5
"""

# 2.5 events a message on average.
MESSAGE_EVENTS = f"""
insert into conformed.events by name
with message as (
    select range as message, somebody(range, $people) as person, channel_of(range) as channel,
        dice(range, 'sent') * {DAYS} as days
    from range($messages)
),
reported as (
    select *, unnest(['sent', if(dice(message, 'bounce') < 0.03, 'bounced', 'delivered'),
        if(dice(message, 'open') < 0.3, 'opened', null), if(dice(message, 'again') < 0.1, 'opened', null),
        if(dice(message, 'click') < 0.08, 'clicked', null),
        if(dice(message, 'reply') < 0.02 and channel <> 'push', 'replied', null),
        if(dice(message, 'leave') < 0.002, 'unsubscribed', null)]) as event_type, unnest(range(7)) as step
    from message
)
select md5('message event ' || message || ' ' || step) as event_id, 'mailer' as source, channel, event_type,
    event_type as event_name, before(days * (1 - step * 0.001)) as occurred_at, before(0) as received_at,
    observation_of(person, message % 2) as observation_id, md5('message ' || message) as message_ref,
    'campaign ' || (days::integer) as campaign_ref, dice(message, step) < 0.02 and event_type = 'opened' as is_machine,
    null as amount, null as currency, '{{"subject": "Autumn", "ip": "192.0.2.1"}}' as properties,
    '{FILE_ID}' as file_id, message + 1 as line_number
from reported where event_type is not null
"""

OWN_EVENTS = f"""
insert into conformed.events by name
with done as (
    select range as number, somebody(range + 1000000000, $people) as person, dice(range, 'when') * {DAYS} as days,
        case when dice(range, 'what') < 0.12 then 'ordered' when dice(range, 'what') < 0.13 then 'refunded'
            when dice(range, 'what') < 0.25 then 'added_to_cart' when dice(range, 'what') < 0.5 then 'product_viewed'
            else 'viewed' end as event_type
    from range($own_events)
)
select md5('own event ' || number) as event_id, if(dice(number, 'source') < 0.5, 'shopify', 'segment') as source,
    ['web', 'app', 'store'][1 + number % 3] as channel, event_type, event_type as event_name,
    before(days) as occurred_at, before(0) as received_at, observation_of(person, number % 2) as observation_id,
    null as message_ref, null as campaign_ref, false as is_machine,
    if(event_type in ('ordered', 'refunded'), (5 + dice(number, 'amount') * 200)::decimal(18, 2), null) as amount,
    if(event_type in ('ordered', 'refunded'), 'EUR', null) as currency,
    case when event_type in ('ordered', 'refunded') then
        json_object('order_id', (number - number % 2)::varchar, 'discount', if(dice(number, 'cheap') < 0.2, 5, 0))
        else '{{"path": "/products/bag", "title": "Bag"}}' end as properties,
    '{FILE_ID}' as file_id, number + 1 as line_number
from done
"""


def make_histories(warehouse: Warehouse, people: int, events: int) -> None:
    """Fill the tables that metrics, segments and preferences read, with about so many events."""
    warehouse.create_tables(tables.TABLES)
    warehouse.run(MACROS, name="macros")
    sizes = {"people": people, "messages": round(events * 0.6 / 2.5), "own_events": round(events * 0.4)}
    for statement in (PROFILES, OBSERVATIONS, MEMBERS, IDENTIFIERS, IDENTIFIER_VALUES, CONSENTS):
        warehouse.run(statement, {"people": people} if "$people" in statement else None, name="people")
    for statement in (MESSAGE_EVENTS, OWN_EVENTS):
        used = {name: size for name, size in sizes.items() if f"${name}" in statement}
        warehouse.run(statement, used, name=tables.EVENTS.full_name)
