-- reads: profiles.profiles, segments.channel_states, deliveries
-- makes: nothing: a query

-- For each channel on which a profile has an address (segments.channel_states) or a history: messages received and
-- answered, both raw and decayed: the weight of evidence halves every $half_life_days. Rounded, because the last digits of
-- a floating-point sum depend on its order, and a re-run must give the same result.
with weighed as (
    select *, epoch_us($as_of) - epoch_us(coalesce(received_at, answered_at)) as age,
        power(0.5, greatest(0, age) / 86400e6 / $half_life_days) as weight
    from deliveries
),
responses as (
    select person, channel,
        count(received_at) as received_count, count(*) filter (answered > 0) as response_count,
        round(coalesce(sum(weight) filter (received_at is not null), 0), 6) as decayed_received,
        round(sum(weight * answered), 6) as decayed_responses,
        round(least(sum(answered), count(received_at)), 6) as answered
    from weighed
    group by person, channel
),
reach as (
    select profile_id, channel::channel_word as channel, reachable from segments.channel_states
),
named as (
    select p.profile_id, r.*
    from responses r
    join profiles.profiles p on p.rowid = r.person
)
select profile_id, channel, p.timezone, coalesce(r.reachable, false) as reachable,
    coalesce(n.received_count, 0) as received_count, coalesce(n.response_count, 0) as response_count,
    coalesce(n.decayed_received, 0) as decayed_received, coalesce(n.decayed_responses, 0) as decayed_responses,
    coalesce(n.answered, 0) as answered
from reach r
full join named n using (profile_id, channel)
join profiles.profiles p using (profile_id)
