-- reads: activity, purchases
-- makes: conversions

-- Messages that converted: the last one that the person clicked in or answered before an order, on any channel, within seven
-- days. Each order has at most one.
create or replace temp table conversions as
with answers as (
    -- Of simultaneous answers, the one on the first channel counts.
    select person, occurred_at, min(struct_pack(channel := channel, message := message)) as answered
    from activity
    where event_type in ('clicked', 'replied') and is_message_channel(channel)
    group by all
)
select o.person, a.answered.channel as channel, a.answered.message as message, max(o.occurred_at) as converted_at
from purchases o
asof join answers a on a.person = o.person and a.occurred_at <= o.occurred_at
where o.is_order and epoch_us(o.occurred_at) - epoch_us(a.occurred_at) < 7 * 86400000000
group by all
