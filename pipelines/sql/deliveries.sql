-- Messages that reached a person, each once, with what the person made of it: when it was first looked at, when and how far
-- it was answered (a click 1, a reply $reply_weight). Some sources tell of an arrival or an answer and do not name the message:
-- such an arrival within an hour of a named one is the same; such an answer is to the last message of the week before it.
create or replace temp table deliveries as
with reported as (
    select profile_id, channel, coalesce(message_ref, event_id) as message,
        bool_or(message_ref is not null and event_type <> 'replied') as is_named,
        min(occurred_at) filter (event_type in ('delivered', 'opened', 'clicked')) as received_at,
        min(occurred_at) filter (event_type in ('opened', 'clicked', 'replied')) as looked_at,
        min(occurred_at) filter (event_type in ('clicked', 'replied')) as answered_at,
        max(case event_type when 'clicked' then 1.0 when 'replied' then $reply_weight else 0.0 end)::double as answered
    from person_events
    where channel in ('email', 'sms', 'push', 'whatsapp')
        and event_type in ('delivered', 'opened', 'clicked', 'replied')
    group by profile_id, channel, message
),
named as (
    select * exclude (is_named) from reported where is_named
),
arrived as (
    from named
    union all
    select r.* exclude (is_named)
    from (from reported where not is_named and looked_at is null) r
    asof left join named n on n.profile_id = r.profile_id and n.channel = r.channel
        and n.received_at <= r.received_at + interval 1 hour
    where n.received_at is null or n.received_at < r.received_at - interval 1 hour
),
answers as (
    select r.* exclude (is_named) replace (
        if(a.received_at >= r.looked_at - interval 7 days, a.message, r.message) as message,
        if(a.received_at >= r.looked_at - interval 7 days, a.received_at, r.received_at) as received_at)
    from (from reported where not is_named and looked_at is not null) r
    asof left join arrived a on a.profile_id = r.profile_id and a.channel = r.channel and a.received_at <= r.looked_at
)
select profile_id, channel, min(received_at) as received_at, min(looked_at) as looked_at,
    min(answered_at) as answered_at, max(answered) as answered
from (from arrived union all from answers)
group by profile_id, channel, message
