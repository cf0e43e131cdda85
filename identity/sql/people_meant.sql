-- reads: conformed.observations, identity.members, landing.files, asked
-- makes: nothing: a query

-- The observations of the profiles in `asked`: those with most of name and birthday first, then the founding one.
select observation_id, m.profile_id
from identity.members m
semi join asked using (profile_id)
join conformed.observations o using (observation_id)
join landing.files f using (file_id)
where m.valid_to_run is null
order by (o.first_name is null)::int + (o.last_name is null)::int + (o.date_of_birth is null)::int,
    f.landed_at, o.first_seen_at, observation_id
