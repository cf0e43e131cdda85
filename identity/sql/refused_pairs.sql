-- reads: identity.members, identity.refusals
-- makes: nothing: a query

-- Profiles that evidence would have joined, had a constraint not forbidden it: the strongest refusal of each two.
select 'refused' as queue, r.left_id, r.right_id, r.rule, r."constraint" as reason, r.probability,
    l.profile_id as left_profile_id, m.profile_id as right_profile_id,
    count(*) over pair as edges
from identity.refusals r
join identity.members l on l.observation_id = r.left_id and l.valid_to_run is null
join identity.members m on m.observation_id = r.right_id and m.valid_to_run is null
where l.profile_id <> m.profile_id and r."constraint" <> 'steward_unlink'
window pair as (partition by least(l.profile_id, m.profile_id), greatest(l.profile_id, m.profile_id))
qualify row_number() over (pair order by r.probability desc, r.rule, r.left_id, r.right_id) = 1
