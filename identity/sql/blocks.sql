create or replace temp table blocks as
select any_value(rule) as rule, key, count(*) as records
from block_keys
group by key
having records > 1
