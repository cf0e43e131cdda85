-- reads: conformed.observations, identity.identifier_values, identity.identifiers, people
-- makes: served_identifiers

-- The profiles found by each identifier; junk finds none. Who only claims to hold what others have told of somebody is
-- not found by it: anybody can claim.
create or replace temp view served_identifiers as
with held as (
    select i.type, i.value, p.profile_id, bool_and(o.is_claim) as is_claim
    from identity.identifiers i
    join people p using (observation_id)
    join conformed.observations o using (observation_id)
    join identity.identifier_values v on v.type = i.type and v.value = i.value
    where v.quality <> 'junk'
    group by i.type, i.value, p.profile_id
)
select type, value, profile_id
from held
qualify not is_claim or bool_and(is_claim) over (partition by type, value)
