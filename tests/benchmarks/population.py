"""Observations of invented people by the million, made set-wise, for the resolver's benchmark.

A person is seen three times on average. Of the sightings some carry the person's e-mail, phone, customer number or
device, some a name with or without a typo, a nickname or an address; some families share a phone, some forms are filled
in with a placeholder. Everything follows from the number of the person and of the sighting.
"""

from __future__ import annotations

from cdp import tables
from cdp.warehouse import Warehouse
from identity.names import given_forms

SIGHTINGS_OF_A_PERSON = 3
SURNAMES = 40_000
STREETS = 20_000
TOWNS = 3_000

# `dice(key, salt)` is a number between 0 and 1, `pick(key, salt, n)` one between 0 and n - 1.
MACROS = """
create or replace temp macro dice(key, salt) as (hash(key, salt) % 1000003) / 1000003.0;
create or replace temp macro pick(key, salt, n) as (hash(key, salt) % n)::bigint;
create or replace temp macro syllable(number) as
    ['ba', 'ker', 'mon', 'ti', 'wes', 'lo', 'gar', 'ne', 'hol', 'dri', 'fa', 'stu', 'ver', 'pin', 'ow', 'zel', 'cor',
     'ma', 'thi', 'bren'][1 + number % 20];
-- Words of four syllables, as far apart as names are.
create or replace temp macro word(number, salt) as
    syllable(pick(number, salt || 'a', 20)) || syllable(pick(number, salt || 'b', 20))
        || syllable(pick(number, salt || 'c', 20)) || syllable(number);
-- Two neighbouring letters swapped, or one left out.
create or replace temp macro mistyped(text, key) as case
    when dice(key, 'slip') < 0.5 then text[:2] || text[4:]
    else text[:2] || text[4:4] || text[3:3] || text[5:] end;
"""

PEOPLE = """
create or replace temp table people as
with numbered as (
    select range as person, (range / 2)::bigint as family from range($people)
),
named as (
    select person, family,
        -- Common names are many times as common as rare ones.
        $given_names[1 + floor(pow(dice(person, 'given'), 3) * len($given_names))::bigint] as first_name,
        word(floor(pow(dice(family, 'surname'), 2) * $surnames)::bigint, 'surname') as last_name
    from numbered
)
select *, first_name || '.' || last_name || if(dice(person, 'mailbox') < 0.7, pick(person, 'box', 10000)::varchar, '')
        || '@' || ['mail', 'post', 'inbox', 'letters'][1 + pick(person, 'provider', 4)] || '.example' as email,
    '+1' || (2000000000 + person * 13)::varchar as phone,
    date '1940-01-01' + pick(person, 'born', 24000)::integer as date_of_birth,
    (1 + pick(family, 'house', 200))::varchar || ' ' || word(pick(family, 'street', $streets), 'street') || ' road'
        as street,
    word(pick(family, 'town', $towns), 'town') as city,
    (10000 + pick(family, 'town', $towns))::varchar as postcode
from named
"""

OBSERVATIONS = """
insert into conformed.observations by name
with sightings as (
    select range as sighting, pick(range, 'who', $people) as person from range($first, $last)
)
select md5('sighting ' || sighting) as observation_id,
    ['crm', 'shopify', 'sendgrid', 'segment'][1 + pick(sighting, 'source', 4)] as source,
    if(dice(sighting, 'customer') < 0.2, person::varchar, null) as customer_id,
    case when dice(sighting, 'named') < 0.7 then
        if(dice(sighting, 'given typo') < 0.05, mistyped(first_name, sighting), first_name) end as first_name,
    case when dice(sighting, 'named') < 0.7 then
        if(dice(sighting, 'surname typo') < 0.05, mistyped(last_name, sighting), last_name) end as last_name,
    case when dice(sighting, 'mailed') < 0.02 then 'test@test.com'
        when dice(sighting, 'mailed') < 0.05 then mistyped(email, sighting)
        when dice(sighting, 'mailed') < 0.6 then email end as email,
    case when dice(sighting, 'called') < 0.02 then '+10000000000'
        when dice(sighting, 'called') < 0.05 then '+1' || (2000000000 + (family * 2) * 13)::varchar
        when dice(sighting, 'called') < 0.4 then phone end as phone,
    if(dice(sighting, 'device') < 0.2, 'device-' || person, null) as device_token,
    if(dice(sighting, 'named') < 0.4, date_of_birth, null) as date_of_birth,
    if(dice(sighting, 'placed') < 0.4, street, null) as street,
    if(dice(sighting, 'placed') < 0.4, city, null) as city,
    if(dice(sighting, 'placed') < 0.4, postcode, null) as postcode,
    false as is_verified, false as is_claim,
    timestamptz '2025-01-01' + to_hours(pick(sighting, 'seen', 8760)) as first_seen_at,
    first_seen_at + to_hours(pick(sighting, 'for', 8760)) as last_seen_at, 1 as event_count,
    $file_id as file_id, sighting - $first + 1 as line_number
from sightings join people using (person)
"""


def make_people(warehouse: Warehouse, observations: int) -> None:
    """Write the temporary table `people`, as many as are seen in so many observations; empty the tables."""
    warehouse.create_tables(tables.TABLES)
    warehouse.run(MACROS)
    names = [name for name in given_forms()["given_name"].sort() if len(name) > 3]
    parameters = {"given_names": names, "surnames": SURNAMES, "streets": STREETS, "towns": TOWNS}
    people = observations // SIGHTINGS_OF_A_PERSON
    warehouse.run(PEOPLE, {"people": people, **parameters}, name="people")


def see(warehouse: Warehouse, first: int, last: int, *, run_id: str) -> None:
    """Add the sightings `first` to `last` (exclusive) of `people`, landed by `run_id`, as one file."""
    file_id = f"{first:016x}"
    warehouse.run(
        f"insert into {tables.FILES.full_name} by name "
        "select $file_id as file_id, $run_id as run_id, now() as landed_at",
        {"file_id": file_id, "run_id": run_id},
    )
    people = warehouse.count("people")
    warehouse.run(OBSERVATIONS, {"first": first, "last": last, "people": people, "file_id": file_id}, name="sightings")
