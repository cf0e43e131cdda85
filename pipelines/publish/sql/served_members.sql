-- reads: identity.members
-- makes: served_members

-- The profile of each observation, and the run that assigned it.
create or replace temp view served_members as
select observation_id, profile_id, valid_from_run as run_id
from identity.members
where valid_to_run is null
