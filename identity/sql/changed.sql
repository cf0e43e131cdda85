-- reads: conformed.observations, resolver.features
-- makes: changed

-- Observations that are new, gone, or not what they were when they were last resolved; `is_seen_again_only` tells those
-- that have only been seen at other times: they say the same.
create or replace temp table changed as
with now_there as (
    select observation_id, hash(d) as description, hash(first_seen_at, last_seen_at) as sightings
    from (
        select observation_id, first_seen_at, last_seen_at, {
            'source': source, 'customer_id': customer_id, 'first_name': first_name, 'last_name': last_name,
            'email': email, 'phone': phone, 'date_of_birth': date_of_birth, 'street': street, 'city': city,
            'postcode': postcode, 'device_token': device_token, 'anonymous_id': anonymous_id,
            'external_ids': external_ids, 'is_claim': is_claim} as d
        from conformed.observations
    )
)
select coalesce(n.observation_id, f.observation_id) as observation_id, n.description, n.sightings,
    coalesce(n.description = f.description, false) as is_seen_again_only
from now_there n
full join resolver.features f using (observation_id)
where n.description is distinct from f.description or n.sightings is distinct from f.sightings
