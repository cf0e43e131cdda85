-- reads: identity.edges, identity.members, identity.refusals
-- makes: nothing: a query

-- What holds a profile together: a row a piece of evidence, with those of the profile's observations that it joins.
-- All holders of a value are linked through its first holder (left_id), so a value joins them whoever that is; those that
-- a constraint refused the first holder still have each other.
with inside as (
    select observation_id from identity.members where profile_id = $1 and valid_to_run is null
),
near as (
    from identity.edges where left_id in (from inside) or right_id in (from inside)
),
-- A refusal does not name its value: two values of one rule may link the same two, and one of them be refused.
accepted as (
    select left_id, right_id, rule from near except all select left_id, right_id, rule from identity.refusals
),
holding as (
    select kind, rule, probability, weight, evidence, is_accepted,
        left_id as first_id, if(kind = 'exact', null, right_id) as second_id,
        unnest(if(is_accepted, [left_id, right_id], [right_id])) as observation_id
    from (select *, (left_id, right_id, rule) in (from accepted) as is_accepted from near)
)
select kind, rule, probability, weight, evidence, list(distinct observation_id) as observations
from holding semi join inside using (observation_id)
group by kind, rule, probability, weight, evidence, is_accepted, first_id, second_id
having len(observations) > 1
