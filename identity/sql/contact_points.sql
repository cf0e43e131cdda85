-- reads: resolver.contact_points, touched_values, valued_holders
-- makes: resolver.contact_points, owned, redescribed

-- Addresses that are their holder's own, those that are touched in the place of those that were; and `redescribed`: the
-- observations whose own addresses are others now.
create or replace temp table owned as
select distinct observation_id, type, value
from valued_holders
where quality = 'unique' and epoch = 0 and type in ('email', 'phone');

create or replace temp table redescribed as
with owned_before as (
    select c.* from resolver.contact_points c semi join touched_values t on t.type = c.type and t.value = c.value
)
select observation_id from owned_before anti join owned using (observation_id, type, value)
union
select observation_id from owned anti join owned_before using (observation_id, type, value);

delete from resolver.contact_points c using touched_values t where t.type = c.type and t.value = c.value;
insert into resolver.contact_points by name from owned;
