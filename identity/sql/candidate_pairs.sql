create or replace temp table candidate_pairs as
with kept as (
    select k.key, k.unique_id from block_keys k join blocks b using (key) where b.records <= $max_block_size
)
select distinct '0' as match_key, l.unique_id as join_key_l, r.unique_id as join_key_r
from kept l join kept r on l.key = r.key and l.unique_id < r.unique_id
