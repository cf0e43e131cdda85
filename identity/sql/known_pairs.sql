-- reads: exact_edges
-- makes: known_pairs

-- Known matches: pairs of observations that share an identifier of their own; a sample, drawn by a seed.
create or replace temp table known_pairs as
select left_id as join_key_l, right_id as join_key_r, rule
from exact_edges
order by hash(left_id || right_id || $seed), rule
limit $most
