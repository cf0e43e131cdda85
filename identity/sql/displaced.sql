-- reads: identity.members, known_members
-- makes: nothing
-- adds to: touched

-- The store remembers what was given out. Where this warehouse says otherwise (it is new, or was put back from a backup),
-- all that either knows of the profiles concerned is touched.
insert into touched
with current as (
    select observation_id, profile_id from identity.members where valid_to_run is null
),
moved as (
    select coalesce(k.profile_id, c.profile_id) as profile_id, c.profile_id as other_id
    from known_members k
    full join current c using (observation_id)
    where k.profile_id is distinct from c.profile_id
),
concerned as (
    select profile_id from moved union select other_id from moved
)
select observation_id from known_members semi join concerned using (profile_id)
union
select observation_id from current semi join concerned using (profile_id);
