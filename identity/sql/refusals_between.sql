-- reads: identity.refusals, one, other
-- makes: nothing: a query

-- The merges between two groups of observations (`one`, `other`) that a constraint forbade, strongest first.
select left_id, right_id, rule, probability, "constraint", run_id
from identity.refusals
where (left_id in (select observation_id from one) and right_id in (select observation_id from other))
    or (left_id in (select observation_id from other) and right_id in (select observation_id from one))
order by probability desc, left_id, right_id, rule
