-- reads: activity
-- makes: active_days

-- The days (UTC, counted from 1970) on which a person was active.
create or replace temp table active_days as
select person, epoch_us(occurred_at) // 86400000000 as day, max(occurred_at) as occurred_at
from activity
where event_type in ('opened', 'clicked', 'replied', 'viewed', 'identified', 'product_viewed', 'added_to_cart',
    'removed_from_cart', 'checkout_started', 'ordered')
group by all
