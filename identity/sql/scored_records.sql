-- The super-records that there is a pair to score of.
create or replace temp table scored_records as
select s.* exclude (component_id)
from resolver.super_records s
where unique_id in (select join_key_l from candidate_pairs union select join_key_r from candidate_pairs)
