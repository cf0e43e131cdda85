-- reads: conformed.observations, identity.edges, identity.identifiers, asked
-- makes: nothing: a query

-- The observations of `asked`, those that exact evidence joins to them, and all who carry a value that these carry: what
-- it takes to judge their values and to make their super-records.
with recursive steps as (
    select left_id, right_id from identity.edges where kind = 'exact'
    union all
    select right_id, left_id from identity.edges where kind = 'exact'
),
joined(observation_id) as (
    select observation_id from asked
    union
    select s.right_id from joined j join steps s on s.left_id = j.observation_id
),
joined_values as (
    select distinct type, value from identity.identifiers semi join joined using (observation_id)
),
near as (
    select observation_id from joined
    union
    select observation_id from identity.identifiers semi join joined_values using (type, value)
)
from conformed.observations semi join near using (observation_id)
