-- reads: conformed.observations, described, outcomes
-- makes: conformed.observations

-- The existing observations, updated with this run's rows.
create or replace table conformed.observations as
with seen as (
    select observation_id, source, min(occurred_at) as first_seen_at, max(occurred_at) as last_seen_at,
        count(*) filter (outcome = 'event') as event_count, bool_or(is_verified) as is_verified,
        bool_and(is_claim) as is_claim,
        min((received_at, file_id, line_number)) as first_line
    from outcomes
    where outcome not in ('reject', 'duplicate')
    group by observation_id, source
),
described_once as (
    select distinct on (observation_id) * exclude (description_key, describes_someone) from described
)
select
    coalesce(o.observation_id, s.observation_id) as observation_id,
    coalesce(o.source, s.source) as source,
    if(o.observation_id is null, d.customer_id, o.customer_id) as customer_id,
    if(o.observation_id is null, d.first_name, o.first_name) as first_name,
    if(o.observation_id is null, d.last_name, o.last_name) as last_name,
    if(o.observation_id is null, d.email, o.email) as email,
    if(o.observation_id is null, d.phone, o.phone) as phone,
    if(o.observation_id is null, d.date_of_birth, o.date_of_birth)::date as date_of_birth,
    if(o.observation_id is null, d.street, o.street) as street,
    if(o.observation_id is null, d.city, o.city) as city,
    if(o.observation_id is null, d.region, o.region) as region,
    if(o.observation_id is null, d.postcode, o.postcode) as postcode,
    if(o.observation_id is null, d.country, o.country) as country,
    if(o.observation_id is null, d.language, o.language) as language,
    if(o.observation_id is null, d.timezone, o.timezone) as timezone,
    if(o.observation_id is null, d.device_token, o.device_token) as device_token,
    if(o.observation_id is null, d.anonymous_id, o.anonymous_id) as anonymous_id,
    if(o.observation_id is null, d.external_ids, o.external_ids)::json as external_ids,
    coalesce(o.is_verified, false) or coalesce(s.is_verified, false) as is_verified,
    coalesce(o.is_claim, true) and coalesce(s.is_claim, true) as is_claim,
    least(o.first_seen_at, s.first_seen_at) as first_seen_at,
    greatest(o.last_seen_at, s.last_seen_at) as last_seen_at,
    coalesce(o.event_count, 0) + coalesce(s.event_count, 0) as event_count,
    coalesce(o.file_id, s.first_line[2]) as file_id,
    coalesce(o.line_number, s.first_line[3]) as line_number
from conformed.observations o
full join seen s on s.observation_id = o.observation_id
left join described_once d on d.observation_id = s.observation_id
