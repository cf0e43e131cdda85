-- Every value that a source has given for a trait, with the line that says so. The golden record takes, of those that
-- are no junk and were not taken back, the most trusted source's, then a proven one, then the most recent. A source takes
-- a trait back by saying that it is null.
create or replace table profiles.traits as
with unpivoted as (
    unpivot (
        select observation_id, source, is_verified, last_seen_at, file_id, line_number,
            first_name, last_name, email, phone, cast(date_of_birth as varchar) as date_of_birth, street, city,
            region, postcode, country, language, timezone
        from conformed.observations
    )
    on first_name, last_name, email, phone, date_of_birth, street, city, region, postcode, country, language, timezone
    into name trait value value
),
junk as (
    select type, value from identity.identifier_values where quality = 'junk' and type in ('email', 'phone')
),
taken_back as (
    select m.profile_id, e.source, n.trait, max(e.occurred_at) as taken_back_at
    from conformed.events e
    join people m on m.observation_id = e.observation_id
    join taken_back_by n on json_type(e.properties, '$.' || n.name) = 'NULL'
    where e.event_type = 'identified' and contains(e.properties::varchar, 'null')
    group by m.profile_id, e.source, n.trait
),
ranked as (
    select m.profile_id, u.trait, u.value, u.source, u.last_seen_at as observed_at, u.observation_id, u.file_id,
        u.line_number, j.value is not null or coalesce(u.last_seen_at <= b.taken_back_at, false) as is_void,
        coalesce(p.rank, 1000) as source_rank,
        u.trait in ('email', 'phone')
            and bool_or(u.is_verified) over (partition by m.profile_id, u.trait, u.value) as is_proven
    from unpivoted u
    join people m on m.observation_id = u.observation_id
    left join junk j on j.type = u.trait and j.value = u.value
    left join taken_back b on b.profile_id = m.profile_id and b.source = u.source and b.trait = u.trait
    left join source_priority p on p.source = u.source
    qualify row_number() over (
        partition by m.profile_id, u.trait, u.value, u.source
        order by u.last_seen_at desc, u.observation_id) = 1
)
select profile_id, trait, value,
    not is_void and row_number() over (
        partition by profile_id, trait
        order by is_void, source_rank, is_proven desc, observed_at desc, source, value) = 1 as is_current,
    source, observed_at, observation_id, file_id, line_number
from ranked
