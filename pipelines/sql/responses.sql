-- What a channel brought and what came back, newer evidence weighing more: its weight halves every $half_life_days. A click
-- is an answer; a reply is one by $reply_weight. Rounded, because a sum of fractions depends on its order in the last digits, and a re-run must say the same.
with weighed as (
    select profile_id, channel, event_type, coalesce(message_ref, event_id) as message,
        power(0.5, greatest(0, epoch($as_of - occurred_at)) / 86400.0 / $half_life_days) as weight
    from person_events
    where channel in ('email', 'sms', 'push', 'whatsapp')
        and event_type in ('delivered', 'opened', 'clicked', 'replied')
),
messages as (
    select profile_id, channel, message, max(weight) as weight,
        bool_or(event_type in ('delivered', 'opened', 'clicked')) as received,
        max(case event_type when 'clicked' then 1.0 when 'replied' then $reply_weight else 0.0 end) as answered
    from weighed
    group by profile_id, channel, message
)
select profile_id, channel,
    count(*) filter (received) as received_count, count(*) filter (answered > 0) as response_count,
    round(coalesce(sum(weight) filter (received), 0), 6) as decayed_received,
    round(sum(weight * answered), 6) as decayed_responses
from messages
group by profile_id, channel
