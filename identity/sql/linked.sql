-- reads: newly_linked, region
-- makes: resolver.linked

-- Which observations of the region evidence joins now, constraints aside.
delete from resolver.linked where observation_id in (select observation_id from region);
insert into resolver.linked by name from newly_linked;
