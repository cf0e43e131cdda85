-- Who carries a value, and the person they name. `person` is the value's own numbering of the people behind it: a
-- given name that is like an earlier one (equal, a nickname of the same name, a typo, an initial) is the same person.
create or replace temp table holders as
with carried as (
    select i.type, i.value, i.observation_id, i.first_seen_at, i.last_seen_at, f.given_name, f.given_forms,
        f.surname, f.date_of_birth, f.customer
    from identity.identifiers i join features f using (observation_id)
),
given as (
    select type, value, given_name, any_value(given_forms) as given_forms
    from carried
    where given_name is not null
    group by all
),
crowded as (
    select type, value from given group by all having count(*) > $max_names
),
heads as (
    -- The names of a value that are like no name before them: one a person.
    select a.type, a.value, a.given_name, a.given_forms
    from given a
    where not exists (
        select 1 from given b
        where b.type = a.type and b.value = a.value and b.given_name < a.given_name
            and names_alike(a.given_name, a.given_forms, b.given_name, b.given_forms)
    ) and not exists (select 1 from crowded c where c.type = a.type and c.value = a.value)
)
select c.*, min(h.given_name) as person
from carried c
left join heads h
    on h.type = c.type and h.value = c.value
    and names_alike(c.given_name, c.given_forms, h.given_name, h.given_forms)
group by all
