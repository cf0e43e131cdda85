-- A profile as senders read it. Times are ISO 8601, so that the document says the same in every store.
create or replace temp table documents as
with identifiers as (
    select profile_id, list(identifier order by identifier.type, identifier.value) as identifiers
    from (
        select m.profile_id, struct_pack(type := i.type, value := i.value, quality := min(v.quality),
            sources := list(distinct o.source order by o.source),
            last_seen_at := iso(max(i.last_seen_at))) as identifier
        from identity.identifiers i
        join people m on m.observation_id = i.observation_id
        join conformed.observations o on o.observation_id = i.observation_id
        join identity.identifier_values v on v.type = i.type and v.value = i.value
        group by m.profile_id, i.type, i.value
    )
    group by profile_id
),
evidence as (
    select t.profile_id, list(struct_pack(trait := t.trait, value := t.value, is_current := t.is_current,
        source := t.source, observed_at := iso(t.observed_at), file := f.path, line_number := t.line_number)
        order by t.trait, t.is_current desc, t.observed_at desc, t.source, t.value) as trait_evidence
    from profiles.traits t join landing.files f using (file_id)
    group by t.profile_id
),
segments as (
    select profile_id, list(struct_pack(segment := segment, entered_at := iso(entered_at)) order by segment) as segments
    from segments.memberships
    group by profile_id
),
preferences as (
    select profile_id, list(struct_pack(channel := channel, reachable := reachable, score := score, low := low,
        high := high, received_count := received_count, response_count := response_count, best_hours := best_hours,
        timezone := timezone) order by score desc nulls last, channel) as preferences
    from segments.channel_preferences
    group by profile_id
),
members as (
    select profile_id, list(observation_id order by observation_id) as members
    from people group by profile_id
),
aliases as (
    select profile_id, list(old_profile_id order by old_profile_id) as aliases from identity.aliases group by profile_id
),
metrics as (
    select profile_id, to_json(columns_of) as metrics
    from (select profile_id, m as columns_of from profiles.metrics m)
)
select p.profile_id, cast(to_json(struct_pack(
    profile_id := p.profile_id,
    traits := struct_pack(first_name := p.first_name, last_name := p.last_name, email := p.email, phone := p.phone,
        date_of_birth := cast(p.date_of_birth as varchar), street := p.street, city := p.city, region := p.region,
        postcode := p.postcode, country := p.country, language := p.language, timezone := p.timezone),
    created_at := iso(p.created_at), last_seen_at := iso(p.last_seen_at),
    identifiers := coalesce(i.identifiers, []),
    trait_evidence := coalesce(e.trait_evidence, []),
    segments := coalesce(s.segments, []),
    preferences := coalesce(c.preferences, []),
    metrics := m.metrics,
    identity := struct_pack(observation_count := p.observation_count, source_count := p.source_count,
        confidence := p.confidence, members := coalesce(b.members, []), aliases := coalesce(a.aliases, []))
)) as varchar) as document
from profiles.profiles p
left join identifiers i using (profile_id)
left join evidence e using (profile_id)
left join segments s using (profile_id)
left join preferences c using (profile_id)
left join metrics m using (profile_id)
left join members b using (profile_id)
left join aliases a using (profile_id)
