-- reads: candidate_pairs
-- makes: training_pairs

-- The candidates that a model learns from: all of them or, of more than $most, as many, drawn by a seed.
create or replace temp table training_pairs as
select join_key_l, join_key_r
from candidate_pairs
order by hash(join_key_l || join_key_r || $seed)
limit $most
