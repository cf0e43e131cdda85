-- reads: identity.identifier_values, identity.identifiers, one, other
-- makes: nothing: a query

-- The values that both of two groups of observations (`one`, `other`) carry, and why each did not join them.
with in_both as (
    select type, value from identity.identifiers semi join one using (observation_id)
    intersect
    select type, value from identity.identifiers semi join other using (observation_id)
)
select distinct type, value, v.quality, v.reason, v.holder_count, v.name_count
from in_both join identity.identifier_values v using (type, value)
order by all
