-- reads: conformed.observations, identity.identifiers, changed
-- makes: identity.identifiers, carried, touched_values

-- The identifiers of changed observations, and `touched_values`: what they carry or have carried, with the evidence that
-- an edge through the value bears.
create or replace temp table carried as
with said as (
    select observation_id, first_seen_at, last_seen_at,
        unnest(identifiers_of(source, customer_id, email, phone, device_token, anonymous_id, external_ids),
            recursive := true)
    from conformed.observations
    semi join changed using (observation_id)
)
select observation_id, type, value, min(first_seen_at) as first_seen_at, max(last_seen_at) as last_seen_at
from said
group by observation_id, type, value;

create or replace temp table touched_values as
select v.type, v.value, json_object('type', v.type, 'value', v.value) as evidence
from (
    select type, value from carried
    union
    select type, value from identity.identifiers semi join changed using (observation_id)
) v;

delete from identity.identifiers where observation_id in (select observation_id from changed);
insert into identity.identifiers by name from carried;
