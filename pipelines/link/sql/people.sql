-- reads: identity.members
-- makes: people

-- The observations of each profile as it is now.
create or replace temp view people as
select observation_id, profile_id from identity.members where valid_to_run is null
