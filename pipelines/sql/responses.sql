-- What a channel brought and what came back, as it was and with newer evidence weighing more: its weight halves every
-- $half_life_days. Rounded, because a sum of fractions depends on its order in the last digits, and a re-run must say the same.
with weighed as (
    select *, power(0.5, greatest(0, epoch($as_of - coalesce(received_at, answered_at))) / 86400.0 / $half_life_days) as weight
    from deliveries
)
select profile_id, channel,
    count(received_at) as received_count, count(*) filter (answered > 0) as response_count,
    round(coalesce(sum(weight) filter (received_at is not null), 0), 6) as decayed_received,
    round(sum(weight * answered), 6) as decayed_responses,
    round(least(sum(answered), count(received_at)), 6) as answered
from weighed
group by profile_id, channel
