-- reads: resolver.super_records, candidate_pairs, drawn_numbers
-- makes: random_pairs

-- Random pairs that no blocking key has found: other people, as good as all of them.
create or replace temp table random_pairs as
with named as (
    select unique_id, row_number() over (order by unique_id) - 1 as number from resolver.super_records
),
drawn as (
    select distinct least(one, other) as one, greatest(one, other) as other from drawn_numbers where one <> other
)
select l.unique_id as join_key_l, r.unique_id as join_key_r
from drawn
join named l on l.number = drawn.one
join named r on r.number = drawn.other
anti join candidate_pairs c on c.join_key_l = l.unique_id and c.join_key_r = r.unique_id
