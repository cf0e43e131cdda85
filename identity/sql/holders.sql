-- reads: conformed.observations, identity.identifiers, resolver.features, given_forms, touched_values, names_alike()
-- reads: are_two_customers(), is_no_name(), nearly_alike()
-- makes: holders

-- Who carries a touched value, and the person they name. `person` is the value's own numbering of the people behind it: a
-- given name that is like an earlier one (equal, a nickname of the same name, a typo, an initial) is the same person. A
-- letter of a short name is a typo where more than the value speaks for one person: a value of another type, which is
-- carried under both names, too, or that the value is a customer number; not of two customers of one source. Who has a customer number, an e-mail and a phone
-- in common is one person under any names.
-- Names are compared only where a value has a few of them: one needs no comparison, and with very many the value is
-- nobody's anyway. What only write keys have told says nothing of who carries a value that others have told of: anybody
-- can send it under many names. What is no name, such as 371e7a219b8f, says nothing either.
create or replace temp table holders as
with told as (
    select i.type, i.value, i.observation_id, i.first_seen_at, i.last_seen_at, f.given_name, f.given_forms,
        f.surname, f.date_of_birth, f.customer,
        o.is_claim and bool_or(not o.is_claim) over (partition by i.type, i.value) as is_moot
    from identity.identifiers i
    semi join touched_values t on t.type = i.type and t.value = i.value
    join resolver.features f using (observation_id)
    join conformed.observations o using (observation_id)
),
carriers as (
    select * exclude (is_moot) replace (
        if(is_moot or is_no_name(given_name), null, given_name) as given_name, if(is_moot, null, surname) as surname,
        if(is_moot, null, date_of_birth) as date_of_birth, if(is_moot, null, customer) as customer)
    from told
),
given as (
    select type, value, given_name, any_value(given_forms) as given_forms, list(distinct surname) as surnames,
        coalesce(list(distinct customer) filter (customer is not null), []) as customers
    from carriers
    where given_name is not null
    group by type, value, given_name
),
compared as (
    select * from given
    qualify count(*) over (partition by type, value) between 2 and $max_names
),
beside as (
    -- The names under which a value is carried together with another.
    select distinct c.type, c.value, i.type as other_type, i.value as other_value, c.given_name
    from carriers c
    semi join compared using (type, value)
    join identity.identifiers i on i.observation_id = c.observation_id and i.type <> c.type
    where c.given_name is not null
),
seconded as (
    select a.type, a.value, a.given_name, b.given_name as earlier_name,
        list_append(list(distinct a.other_type), a.type) as types
    from beside a
    join beside b on b.type = a.type and b.value = a.value and b.other_type = a.other_type
        and b.other_value = a.other_value and b.given_name < a.given_name
    group by a.type, a.value, a.given_name, b.given_name
),
alike as (
    select a.type, a.value, a.given_name, b.given_name as earlier_name
    from compared a
    join compared b on b.type = a.type and b.value = a.value and b.given_name < a.given_name
    left join seconded s
        on s.type = a.type and s.value = a.value and s.given_name = a.given_name and s.earlier_name = b.given_name
    left join given_forms ga on ga.given_name = a.given_name
    left join given_forms gb on gb.given_name = b.given_name
    where names_alike(a.given_name, a.given_forms, b.given_name, b.given_forms)
        -- First and last name in each other's place.
        or (list_contains(a.surnames, b.given_name) and list_contains(b.surnames, a.given_name))
        or list_has_all(s.types, ['customer_id', 'email', 'phone'])
        or ((s.types is not null or a.type = 'customer_id')
            and nearly_alike(a.given_name, ga.called, b.given_name, gb.called)
            and not are_two_customers(a.customers, b.customers))
),
heads as (
    -- The names of a value that are like no name before them: one a person.
    select type, value, given_name from compared anti join alike using (type, value, given_name)
),
followers as (
    select a.type, a.value, a.given_name, min(h.given_name) as person
    from alike a
    join heads h on h.type = a.type and h.value = a.value and h.given_name = a.earlier_name
    group by a.type, a.value, a.given_name
)
select c.*, coalesce(f.person, c.given_name) as person
from carriers c
left join followers f on f.type = c.type and f.value = c.value and f.given_name = c.given_name
