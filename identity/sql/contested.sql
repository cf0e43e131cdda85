-- reads: conformed.observations, holders, beyond_name()
-- makes: contested

-- E-mails that say no more than a name (ann.smith@…), whose holders bear that name and have nothing else in common: of
-- phone, address and birthday they disagree on all that both give, two at least. Two people, one of whom was guessed to
-- be the other.
create or replace temp table contested as
with bearers as (
    select distinct h.type, h.value, o.phone, lower(strip_accents(o.street)) || coalesce(o.postcode, o.city) as address,
        h.date_of_birth
    from holders h
    join conformed.observations o using (observation_id)
    where h.type = 'email' and beyond_name(split_part(h.value, '@', 1), h.given_name, h.surname) = ''
),
few as (
    select *, row_number() over (partition by type, value order by phone, address, date_of_birth) as number
    from bearers
    qualify count(*) over (partition by type, value) between 2 and $max_names
)
select distinct a.type, a.value
from few a
join few b on b.type = a.type and b.value = a.value and b.number > a.number
where coalesce(a.phone <> b.phone, true) and coalesce(a.address <> b.address, true)
    and coalesce(a.date_of_birth <> b.date_of_birth, true)
    and coalesce((a.phone <> b.phone)::int, 0) + coalesce((a.address <> b.address)::int, 0)
        + coalesce((a.date_of_birth <> b.date_of_birth)::int, 0) >= 2
