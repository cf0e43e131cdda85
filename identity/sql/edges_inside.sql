-- reads: identity.edges, identity.members
-- makes: nothing: a query

-- The evidence that holds a profile together. A value's holders are linked through one of them, who may be elsewhere.
with inside as (
    select observation_id from identity.members where profile_id = $1 and valid_to_run is null
)
select left_id, right_id, kind, rule, probability, weight, evidence
from identity.edges
where left_id in (select observation_id from inside) or right_id in (select observation_id from inside)
