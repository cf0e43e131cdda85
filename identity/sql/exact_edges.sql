-- reads: conformed.observations, contested, rule_probabilities, valued_holders
-- makes: exact_edges

-- One edge from each holder of a value to the value's first holder, which is a claim only if all of them are: n - 1
-- edges, never n squared. A shared value
-- joins only those of its holders who also agree on the name (a shared device is shared by its accounts, whatever their
-- names); junk and generic values join nobody.
create or replace temp table exact_edges as
with grouped as (
    select type, value, epoch, observation_id, type as rule, '' as second_factor
    from valued_holders
    where quality = 'unique'
    union all
    select type, value, epoch, observation_id, type || '+name' as rule, person || ' ' || surname as second_factor
    from valued_holders
    anti join contested using (type, value)
    where quality = 'shared' and type in ('email', 'phone') and person is not null and surname is not null
),
stars as (
    select g.*, arg_min(g.observation_id, (o.is_claim, g.observation_id))
        over (partition by type, value, epoch, second_factor, rule) as hub_id
    from grouped g
    join conformed.observations o using (observation_id)
)
select hub_id as left_id, observation_id as right_id, 'exact' as kind, rule, r.probability,
    log2(r.probability / (1 - r.probability)) as weight,
    json_object('type', s.type, 'value', s.value) as evidence, null::varchar as model_version
from stars s
join rule_probabilities r using (rule)
where hub_id <> observation_id
