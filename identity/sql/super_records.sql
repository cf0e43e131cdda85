-- An exact component as one record: its most frequent name, birthday and address, and all of its contact points that
-- belong to it alone. Components without a full name have nothing that the model could weigh.
create or replace temp table super_records as
with contact_points as (
    select c.component_id,
        list_sort(list(distinct v.value) filter (v.type = 'email')) as emails,
        list_sort(list(distinct v.value) filter (v.type = 'phone')) as phones
    from components c
    join valued_holders v using (observation_id)
    where v.quality in ('unique', 'shared') and v.type in ('email', 'phone')
    group by c.component_id
),
described as (
    select c.component_id,
        mode(f.given_name order by f.given_name) as given_name,
        mode(f.surname order by f.surname) as surname,
        mode(f.suffix order by f.suffix) as suffix,
        mode(f.date_of_birth order by f.date_of_birth) as date_of_birth,
        mode(lower(strip_accents(o.street)) order by lower(strip_accents(o.street))) as street,
        mode(upper(o.postcode) order by upper(o.postcode)) as postcode,
        mode(lower(strip_accents(o.city)) order by lower(strip_accents(o.city))) as city
    from components c
    join features f using (observation_id)
    join conformed.observations o using (observation_id)
    group by c.component_id
)
select
    d.component_id as unique_id, d.given_name, coalesce(g.forms, [d.given_name]) as given_forms, d.surname, d.suffix,
    cast(d.date_of_birth as varchar) as date_of_birth, d.street, d.postcode, d.city,
    coalesce(p.emails, []) as emails,
    list_transform(coalesce(p.emails, []), lambda e: split_part(e, '@', 1)) as mailbox_names,
    coalesce(p.phones, []) as phones
from described d
left join contact_points p using (component_id)
left join given_forms g using (given_name)
where d.given_name is not null and d.surname is not null
