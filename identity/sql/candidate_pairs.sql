-- reads: identity.oversized_blocks, resolver.block_keys, blocks, changed_records
-- makes: candidate_pairs, crossed_records, rescored

-- Pairs to score, each once and as Splink takes them: those of changed super-records, and those of the members of a block
-- that has become too large or is so no more (`rescored`, both), with whom they share a block that is not too large.
create or replace temp table crossed_records as
select distinct unique_id
from resolver.block_keys semi join (from blocks where has_crossed) using (key)
anti join changed_records using (unique_id);

create or replace temp table rescored as
select unique_id from changed_records union all select unique_id from crossed_records;

create or replace temp table candidate_pairs as
with looked_at as (
    select key from blocks where records > 1 and not is_oversized
    union
    select key from resolver.block_keys semi join crossed_records using (unique_id)
    where format('{:016x}', key) not in (select block_id from identity.oversized_blocks)
),
members as (
    select key, unique_id, r.unique_id is not null as is_rescored
    from resolver.block_keys
    semi join looked_at using (key)
    left join rescored r using (unique_id)
)
select distinct '0' as match_key, l.unique_id as join_key_l, r.unique_id as join_key_r
from members l join members r on l.key = r.key and l.unique_id < r.unique_id
where l.is_rescored or r.is_rescored;
