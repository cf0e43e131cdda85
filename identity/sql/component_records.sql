-- reads: conformed.observations, resolver.contact_points, resolver.features, components, given_forms, beyond_name()
-- makes: component_records

-- Each of `components` as one record: its most frequent name, birthday and address, and all of its contact points that
-- are its own: a family's address would make a family of one surname at one street look like one person. Components
-- without a name or a birthday have nothing that the model could weigh.
create or replace temp table component_records as
with named as (
    select distinct component_id
    from components join resolver.features using (observation_id)
    where given_name is not null or surname is not null or date_of_birth is not null
),
placed as (
    select c.component_id, c.observation_id, f.given_name, f.surname, f.suffix, f.date_of_birth,
        lower(strip_accents(o.street)) as street, o.postcode, lower(strip_accents(o.city)) as city
    from components c
    semi join named using (component_id)
    join resolver.features f using (observation_id)
    join conformed.observations o using (observation_id)
    -- What claims say counts where nobody else has told of the person.
    qualify not o.is_claim or bool_and(o.is_claim) over (partition by c.component_id)
),
typical as (
    select component_id,
        arg_min(observation_id, (
            (given_name is null)::int + (surname is null)::int + (date_of_birth is null)::int, observation_id)
        ) as speaker_id,
        mode(given_name order by given_name) as given_name,
        mode(surname order by surname) as surname,
        mode(suffix order by suffix) as suffix,
        mode(date_of_birth order by date_of_birth) as date_of_birth,
        mode(street order by street) as street,
        mode(postcode order by postcode) as postcode,
        mode(city order by city) as city
    from placed
    where coalesce(given_name, surname, suffix, street, postcode, city) is not null or date_of_birth is not null
    group by component_id
),
own_contacts as (
    select p.component_id,
        list_sort(list(distinct c.value) filter (c.type = 'email')) as emails,
        list_sort(list(distinct c.value) filter (c.type = 'phone')) as phones
    from placed p
    join resolver.contact_points c using (observation_id)
    group by p.component_id
)
select component_id, d.speaker_id as unique_id, d.given_name,
    case when d.given_name is not null then coalesce(g.forms, [d.given_name]) end as given_forms, d.surname, d.suffix,
    cast(d.date_of_birth as varchar) as date_of_birth, d.street,
    regexp_replace(d.street, '[^0-9]', '', 'g') as house_number,
    trim(regexp_replace(d.street, '[0-9]', '', 'g')) as street_name, d.postcode, d.city,
    coalesce(p.emails, []) as emails,
    list_transform(coalesce(p.emails, []), lambda e: split_part(e, '@', 1)) as mailboxes,
    list_transform(mailboxes, lambda e: regexp_replace(e, '[^0-9]', '', 'g')) as mailbox_numbers,
    -- What an address says beyond the name of who holds it.
    list_filter(list_transform(mailboxes, lambda e: beyond_name(e, d.given_name, d.surname)), lambda e: e <> '')
        as mailbox_cores,
    coalesce(p.phones, []) as phones
from typical d
left join own_contacts p using (component_id)
left join given_forms g using (given_name)
