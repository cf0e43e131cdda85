-- reads: nothing
-- makes: new_block_keys

-- The blocking keys of changed super-records, by rule after rule.
create or replace temp table new_block_keys (rule varchar, key ubigint, unique_id varchar)
