-- reads: conformed.events, conformed.observations, identity.identifier_values, core_traits, people, source_priority
-- makes: profiles.traits

-- Every value that a source has given for a trait, with its line. Of the values that are not junk and were not unset, the
-- golden record takes the most trusted source's, then a verified one, then the most recent; what only write keys have told
-- of a core trait comes last. A source unsets a trait by sending null; a write key unsets only what write keys have told.
-- Traits that are not columns of an observation are properties of `identified` events.
create or replace table profiles.traits as
with unpivoted as (
    unpivot (
        select observation_id, source, is_verified, is_claim, last_seen_at, file_id, line_number,
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
told as (
    select m.profile_id, e.source, e.occurred_at, e.is_claim, e.observation_id, e.file_id, e.line_number, p.key, p.type,
        p.value ->> '$' as value
    from conformed.events e
    join people m on m.observation_id = e.observation_id, json_each(e.properties) p
    where e.event_type = 'identified' and e.properties::varchar <> '{}'
),
unset as (
    select profile_id, source, key as trait,
        max(occurred_at) filter (not is_claim) as unset_at, max(occurred_at) as claim_unset_at
    from told
    where type = 'NULL'
    group by all
),
given as (
    select m.profile_id, u.trait, u.value, u.source, u.last_seen_at as observed_at, u.is_verified, u.is_claim,
        u.observation_id,
        u.file_id, u.line_number
    from unpivoted u
    join people m on m.observation_id = u.observation_id
    union all
    select profile_id, key, value, source, occurred_at, false, is_claim, observation_id, file_id, line_number
    from told
    where type not in ('NULL', 'OBJECT', 'ARRAY') and value <> ''
        and key not in (select trait from core_traits)
),
ranked as (
    select g.* exclude (is_verified),
        coalesce(g.observed_at <= if(g.is_claim, b.claim_unset_at, b.unset_at), false) as is_unset,
        is_unset or j.value is not null as is_void,
        g.is_claim and c.trait is not null as is_last,
        coalesce(p.rank, 1000) as source_rank,
        g.trait in ('email', 'phone')
            and bool_or(g.is_verified) over (partition by g.profile_id, g.trait, g.value) as is_proven
    from given g
    left join junk j on j.type = g.trait and j.value = g.value
    left join unset b on b.profile_id = g.profile_id and b.source = g.source and b.trait = g.trait
    left join source_priority p on p.source = g.source
    left join core_traits c on c.trait = g.trait
    qualify row_number() over (
        partition by g.profile_id, g.trait, g.value, g.source
        order by g.is_claim, g.observed_at desc, g.observation_id) = 1
)
select profile_id, trait, value,
    not is_void and row_number() over (
        partition by profile_id, trait
        order by is_void, is_last, source_rank, is_proven desc, observed_at desc, source, value) = 1 as is_current,
    source, observed_at, is_claim, is_unset, observation_id, file_id, line_number
from ranked
