-- reads: identity.grey_pairs, identity.members
-- makes: nothing: a query

-- Profiles that the model finds alike, but not enough to join them: the most probable pair of each two.
select 'grey' as queue, g.left_id, g.right_id, 'model' as rule, 'below_threshold' as reason, g.probability,
    l.profile_id as left_profile_id, m.profile_id as right_profile_id,
    count(*) over pair as edges
from identity.grey_pairs g
join identity.members l on l.observation_id = g.left_id and l.valid_to_run is null
join identity.members m on m.observation_id = g.right_id and m.valid_to_run is null
where l.profile_id <> m.profile_id
window pair as (partition by least(l.profile_id, m.profile_id), greatest(l.profile_id, m.profile_id))
qualify row_number() over (pair order by g.probability desc, g.left_id, g.right_id) = 1
