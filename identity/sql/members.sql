-- reads: places, region
-- makes: identity.members

-- The region's places in the stead of those that it had.
delete from identity.members where observation_id in (select observation_id from region);
insert into identity.members by name from places;
