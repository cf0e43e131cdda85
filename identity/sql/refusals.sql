-- reads: conformed.observations, landing.files, new_refusals, region
-- makes: identity.refusals

-- Merges in the region that a constraint forbade. Their run is the one that landed the later of the two observations, so
-- that a rebuild says the same.
delete from identity.refusals where left_id in (select observation_id from region);

insert into identity.refusals by name
select r.left_id, r.right_id, r.rule, r.probability, r."constraint", greatest(lf.run_id, rf.run_id) as run_id
from new_refusals r
join conformed.observations lo on lo.observation_id = r.left_id
join conformed.observations ro on ro.observation_id = r.right_id
join landing.files lf on lf.file_id = lo.file_id
join landing.files rf on rf.file_id = ro.file_id;
