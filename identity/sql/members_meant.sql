-- reads: conformed.observations, identity.aliases, identity.identifiers, identity.members, landing.files
-- makes: nothing: a query

-- The observations that an id or an identifier means, with the profile that holds each, founding one first.
with held as (
    select observation_id, profile_id from identity.members where valid_to_run is null
),
meant as (
    select $value as observation_id where $kind = 'observation'
    union
    select observation_id from held where $kind = 'profile' and profile_id = $value
    union
    -- A retired id means what was in it.
    select m.observation_id
    from identity.members m join identity.aliases a on a.old_profile_id = m.profile_id
    where $kind = 'profile' and m.profile_id = $value
    union
    select observation_id from identity.identifiers where type = $kind and value = $value
)
select observation_id, h.profile_id
from meant
join held h using (observation_id)
join conformed.observations o using (observation_id)
join landing.files f using (file_id)
order by f.landed_at, o.first_seen_at, observation_id
