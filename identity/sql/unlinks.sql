-- reads: resolver.unlinks, standing_unlinks
-- makes: resolver.unlinks
-- adds to: touched

-- The stewards' unlinks that stand now in the place of those that did; the ends of what differs are touched.
insert into touched
select distinct unnest([left_id, right_id])
from (
    (from standing_unlinks except from resolver.unlinks) union all (from resolver.unlinks except from standing_unlinks)
);

delete from resolver.unlinks;
insert into resolver.unlinks by name from standing_unlinks;
