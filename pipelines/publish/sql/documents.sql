-- reads: conformed.events, conformed.observations, identity.aliases, identity.identifier_values, identity.identifiers
-- reads: landing.files, products.interests, profiles.profiles, profiles.traits, runs.runs
-- reads: segments.channel_preferences, segments.memberships, core_traits, message_channels, metrics_documents, people, wanted
-- reads: core_traits_of(), identifier_json(), interest_json(), last_reply_json(), membership_json()
-- reads: preference_json(), recent_message_json()
-- reads: trait_evidence_json()
-- makes: nothing: a query

-- Profile documents, as senders read them, for the profiles in `wanted`. Times are ISO 8601, so that a document is the same
-- in every store. Lists are built as JSON text: lists of structs take many times the memory.
with wanted_people as (
    select * from people semi join wanted using (profile_id)
),
held as (
    select m.profile_id, i.type, i.value, bool_and(o.is_claim) as is_claim,
        list(distinct o.source order by o.source) as sources,
        min(i.first_seen_at) as first_seen_at, max(i.last_seen_at) as last_seen_at
    from wanted_people m
    join identity.identifiers i on i.observation_id = m.observation_id
    join conformed.observations o on o.observation_id = m.observation_id
    group by m.profile_id, i.type, i.value
),
quality as (
    select type, value, min(quality) as quality from identity.identifier_values group by type, value
),
qualified as (
    select h.*, q.quality from held h join quality q on q.type = h.type and q.value = h.value
),
identifiers as (
    select profile_id, string_agg(identifier_json(h), ',' order by type, value) as items from qualified h group by profile_id
),
sourced_traits as (
    select t.*, f.path as file
    from profiles.traits t
    semi join wanted using (profile_id)
    join landing.files f using (file_id)
),
evidence as (
    select profile_id, string_agg(trait_evidence_json(t), ',' order by trait, is_current desc, observed_at desc, source, value)
        as items
    from sourced_traits t
    group by profile_id
),
custom_traits as (
    select profile_id, string_agg(to_json(trait) || ':' || to_json(value), ',' order by trait) as items
    from profiles.traits
    semi join wanted using (profile_id)
    where is_current and trait not in (select trait from core_traits)
    group by profile_id
),
memberships as (
    select profile_id, string_agg(membership_json(m), ',' order by segment) as items
    from segments.memberships m semi join wanted using (profile_id)
    group by profile_id
),
preferences as (
    select profile_id, string_agg(preference_json(c), ',' order by score desc nulls last, channel) as items
    from segments.channel_preferences c semi join wanted using (profile_id)
    group by profile_id
),
-- The messages that count against frequency caps and that the scores already include: a decision adds later live ones. A
-- provider's reference may contain an address, so it is hashed.
week_messages as (
    select m.profile_id, e.channel, 'msg_' || md5(coalesce(e.message_ref, e.event_id)) as message_id,
        min(e.occurred_at) filter (e.event_type in ('sent', 'delivered')) as sent_at,
        bool_or(e.event_type in ('delivered', 'opened', 'clicked')) as is_received,
        bool_or(e.event_type in ('clicked', 'replied')) as is_answered,
        max(e.occurred_at) filter (e.event_type = 'replied') as replied_at
    from wanted_people m
    join conformed.events e on e.observation_id = m.observation_id
    cross join (select as_of from runs.runs order by started_at desc limit 1) r
    where e.occurred_at > r.as_of - interval 7 days and e.occurred_at <= r.as_of and not e.is_machine
        and is_message_channel(e.channel)
        and e.event_type in ('sent', 'delivered', 'opened', 'clicked', 'replied')
    group by all
),
recent_messages as (
    select profile_id, string_agg(recent_message_json(w), ',' order by sent_at, channel, message_id) as items
    from week_messages w
    where sent_at is not null
    group by profile_id
),
-- A chat stays open for a while after a reply, also one that this run has taken out of the live layer.
last_replies as (
    select profile_id, string_agg(last_reply_json(w), ',' order by channel) as items
    from (
        select profile_id, channel, max(replied_at) as replied_at
        from week_messages
        where replied_at is not null and channel in (select channel from message_channels where chat_closes)
        group by profile_id, channel
    ) w
    group by profile_id
),
-- The last 500 products that a person has bought, and of the others the last 24 viewed, and put into or taken out of the
-- cart: twice what a message shows, so that live purchases leave enough.
ranked as (
    select *,
        row_number() over (partition by profile_id order by bought_at desc nulls last, product_id) as bought_rank,
        row_number() over (partition by profile_id, bought_at is null order by viewed_at desc nulls last, product_id)
            as viewed_rank,
        row_number() over (partition by profile_id, bought_at is null
            order by greatest(added_at, removed_at) desc nulls last, product_id) as cart_rank
    from products.interests semi join wanted using (profile_id)
),
bought as (
    select profile_id, string_agg(to_json(product_id), ',' order by bought_rank) as items
    from ranked
    where bought_at is not null and bought_rank <= 500
    group by profile_id
),
interested as (
    select profile_id, string_agg(interest_json(t), ',' order by product_id) as items
    from ranked t
    where bought_at is null and least(viewed_rank, cart_rank) <= 24
    group by profile_id
),
members as (
    select profile_id, list(observation_id order by observation_id) as members from wanted_people group by profile_id
),
aliases as (
    select profile_id, list(old_profile_id order by old_profile_id) as aliases from identity.aliases group by profile_id
),
metrics as (
    from metrics_documents semi join wanted using (profile_id)
),
documents as (
    select p.profile_id, concat(
        rtrim(to_json(struct_pack(
            profile_id := p.profile_id,
            traits := core_traits_of(p),
            identity := struct_pack(observation_count := p.observation_count, source_count := p.source_count,
                confidence := p.confidence, members := coalesce(b.members, []), aliases := coalesce(a.aliases, [])),
            created_at := iso(p.created_at), last_seen_at := iso(p.last_seen_at)))::varchar, '}'),
        ',"metrics":', m.metrics,
        ',"custom_traits":{', u.items, '}',
        ',"identifiers":[', i.items,
        '],"trait_evidence":[', e.items,
        '],"segments":[', s.items,
        '],"recent_messages":[', r.items,
        '],"preferences":[', c.items,
        '],"products":{"bought":[', h.items, '],"interests":[', n.items, ']}',
        ',"last_replies":[' || y.items || ']', '}') as document
    from profiles.profiles p
    semi join wanted using (profile_id)
    left join identifiers i using (profile_id)
    left join evidence e using (profile_id)
    left join memberships s using (profile_id)
    left join preferences c using (profile_id)
    left join recent_messages r using (profile_id)
    left join last_replies y using (profile_id)
    left join metrics m using (profile_id)
    left join members b using (profile_id)
    left join custom_traits u using (profile_id)
    left join aliases a using (profile_id)
    left join bought h using (profile_id)
    left join interested n using (profile_id)
)
select profile_id, document, md5(document) as document_hash from documents
