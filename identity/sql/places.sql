-- reads: conformed.observations, former_members, known_members, new_members, region
-- makes: places

-- The region's places. Current ones with the run they began in; places that ended in this run or before keep their
-- history, except those of observations that a changed mapping has done away with.
create or replace temp table places as
with current as (
    select n.observation_id, n.profile_id, coalesce(k.run_id, $run_id) as valid_from_run, null::varchar as valid_to_run
    from new_members n
    left join known_members k on k.observation_id = n.observation_id and k.profile_id = n.profile_id
),
left_behind as (
    select k.observation_id, k.profile_id, k.run_id as valid_from_run, $run_id as valid_to_run
    from known_members k
    semi join region using (observation_id)
    anti join new_members n on n.observation_id = k.observation_id and n.profile_id = k.profile_id
)
select * from current
union all
select left_places.*
from (
    select * from left_behind
    union all
    select observation_id, profile_id, from_run_id as valid_from_run, run_id as valid_to_run
    from former_members semi join region using (observation_id)
) left_places
semi join conformed.observations using (observation_id)
