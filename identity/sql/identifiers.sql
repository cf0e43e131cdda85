create or replace table identity.identifiers as
with carried as (
    select observation_id, first_seen_at, last_seen_at,
        unnest([
            {'type': 'email', 'value': email},
            {'type': 'phone', 'value': phone},
            {'type': 'device_token', 'value': device_token},
            {'type': 'anonymous_id', 'value': anonymous_id},
            {'type': 'anonymous_id', 'value': external_ids->>'$.previous_id'},
            {'type': 'customer_id', 'value': source || ':' || customer_id}
        ], recursive := true)
    from conformed.observations
)
select observation_id, type, value, min(first_seen_at) as first_seen_at, max(last_seen_at) as last_seen_at
from carried
where value is not null
group by observation_id, type, value
