-- reads: resolver.block_keys, touched_keys
-- makes: blocks

-- The touched blocking keys: how many super-records have each, whether that is too many to look at all their pairs, and
-- whether it was.
create or replace temp table blocks as
select key, any_value(k.rule) as rule, count(k.key) as records, records > $max_block_size as is_oversized,
    any_value(records_before) > $max_block_size as was_oversized,
    was_oversized <> is_oversized and any_value(records_before) > 0 as has_crossed
from touched_keys t
left join resolver.block_keys k using (key)
group by key
