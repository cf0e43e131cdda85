-- reads: resolver.block_keys, changed_records, new_block_keys
-- makes: resolver.block_keys, touched_keys

-- The blocking keys of changed super-records in the place of those that they had; `touched_keys` are all of them, with
-- how many super-records had each before.
create or replace temp table touched_keys as
with named as (
    select key from new_block_keys
    union
    select key from resolver.block_keys semi join changed_records using (unique_id)
),
sizes as (
    select key, count(*) as records from resolver.block_keys semi join named using (key) group by key
)
select key, coalesce(records, 0) as records_before from named left join sizes using (key);

delete from resolver.block_keys where unique_id in (select unique_id from changed_records);
insert into resolver.block_keys by name from new_block_keys;
