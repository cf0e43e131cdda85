-- reads: activity
-- makes: deliveries

-- Messages that reached a person, each once, with the response: when it was first opened, and when and how strongly it was
-- answered (a click 1, a reply $reply_weight). Some sources report an arrival or an answer without naming the message: such
-- an arrival within an hour after a named one is the same message; such an answer belongs to the last message of the week
-- before it.
create or replace temp table deliveries as
with reported as (
    select person, channel, message,
        bool_or(is_named and event_type <> 'replied') as is_named,
        min(occurred_at) filter (event_type in ('delivered', 'opened', 'clicked')) as received_at,
        min(occurred_at) filter (event_type in ('opened', 'clicked', 'replied')) as opened_at,
        min(occurred_at) filter (event_type in ('clicked', 'replied')) as answered_at,
        max(case event_type when 'clicked' then 1.0 when 'replied' then $reply_weight else 0.0 end)::double as answered
    from activity
    where is_message_channel(channel)
        and event_type in ('delivered', 'opened', 'clicked', 'replied')
    group by person, channel, message
),
named as (
    select * exclude (is_named) from reported where is_named
),
arrived as (
    from named
    union all
    select r.* exclude (is_named)
    from (from reported where not is_named and opened_at is null) r
    asof left join named n on n.person = r.person and n.channel = r.channel
        and epoch_us(n.received_at) <= epoch_us(r.received_at) + 3600000000
    where n.received_at is null or epoch_us(n.received_at) < epoch_us(r.received_at) - 3600000000
),
answers as (
    select r.* exclude (is_named) replace (
        if(a.received_at >= r.opened_at - interval 7 days, a.message, r.message) as message,
        if(a.received_at >= r.opened_at - interval 7 days, a.received_at, r.received_at) as received_at)
    from (from reported where not is_named and opened_at is not null) r
    asof left join arrived a on a.person = r.person and a.channel = r.channel and a.received_at <= r.opened_at
)
select person, channel, min(received_at) as received_at, min(opened_at) as opened_at,
    min(answered_at) as answered_at, max(answered) as answered
from (from arrived union all from answers)
group by person, channel, message
