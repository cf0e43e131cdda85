-- reads: conformed.observations, identity.edges, profiles.traits, people
-- makes: profiles.profiles

create or replace table profiles.profiles as
with seen as (
    select m.profile_id, min(o.first_seen_at) as created_at, max(o.last_seen_at) as last_seen_at,
        count(distinct o.source) as source_count, count(*) as observation_count
    from people m
    join conformed.observations o using (observation_id)
    group by m.profile_id
),
golden as (
    select profile_id,
        max(value) filter (trait = 'first_name') as first_name,
        max(value) filter (trait = 'last_name') as last_name,
        max(value) filter (trait = 'email') as email,
        max(value) filter (trait = 'phone') as phone,
        max(value) filter (trait = 'date_of_birth')::date as date_of_birth,
        max(value) filter (trait = 'street') as street,
        max(value) filter (trait = 'city') as city,
        max(value) filter (trait = 'region') as region,
        max(value) filter (trait = 'postcode') as postcode,
        max(value) filter (trait = 'country') as country,
        max(value) filter (trait = 'language') as language,
        max(value) filter (trait = 'timezone') as timezone
    from profiles.traits
    where is_current
    group by profile_id
),
weakest as (
    select m.profile_id, min(e.probability) as confidence
    from identity.edges e
    join people m on m.observation_id = e.left_id
    join people r on r.observation_id = e.right_id
    where m.profile_id = r.profile_id
    group by m.profile_id
)
select s.profile_id, g.* exclude (profile_id), s.created_at, s.last_seen_at, s.source_count, s.observation_count,
    coalesce(w.confidence, 1.0) as confidence
from seen s
left join golden g using (profile_id)
left join weakest w using (profile_id)
