-- A message counts once for each thing that became of it, however often a provider reported it; whatever was delivered,
-- opened or clicked was sent. An order that shop and web tracking both report counts once, the shop's figures first.
-- Refunds are taken off their order, up to its amount: one that is refunded and cancelled is not lost twice.
create or replace table profiles.metrics as
with totals as (
    select profile_id, count(*) as event_count, min(occurred_at) as first_event_at, max(occurred_at) as last_event_at,
        max(occurred_at) filter (event_type in ('opened', 'clicked', 'replied', 'viewed', 'identified',
            'product_viewed', 'added_to_cart', 'checkout_started', 'ordered')) as last_active_at,
        max(occurred_at) filter (event_type = 'added_to_cart') as last_cart_at
    from person_events
    group by profile_id
),
messages as (
    select profile_id, channel, coalesce(message_ref, event_id) as message,
        bool_or(event_type in ('sent', 'delivered', 'opened', 'clicked', 'bounced')) as sent,
        bool_or(event_type in ('delivered', 'opened', 'clicked')) as delivered,
        bool_or(event_type = 'opened') as opened,
        bool_or(event_type = 'clicked') as clicked,
        bool_or(event_type = 'replied') as replied,
        bool_or(event_type = 'bounced') as bounced,
        bool_or(event_type in ('unsubscribed', 'complained')) as unsubscribed
    from person_events
    where channel in ('email', 'sms', 'push', 'whatsapp')
    group by profile_id, channel, message
),
engagement as (
    select profile_id,
        count(*) filter (channel = 'email' and sent) as email_sent_count,
        count(*) filter (channel = 'email' and delivered) as email_delivered_count,
        count(*) filter (channel = 'email' and opened) as email_opened_count,
        count(*) filter (channel = 'email' and clicked) as email_clicked_count,
        count(*) filter (channel = 'email' and replied) as email_replied_count,
        count(*) filter (channel = 'email' and bounced) as email_bounced_count,
        count(*) filter (channel = 'email' and unsubscribed) as email_unsubscribed_count,
        count(*) filter (channel = 'sms' and sent) as sms_sent_count,
        count(*) filter (channel = 'sms' and delivered) as sms_delivered_count,
        count(*) filter (channel = 'sms' and opened) as sms_opened_count,
        count(*) filter (channel = 'sms' and clicked) as sms_clicked_count,
        count(*) filter (channel = 'sms' and replied) as sms_replied_count,
        count(*) filter (channel = 'sms' and bounced) as sms_bounced_count,
        count(*) filter (channel = 'sms' and unsubscribed) as sms_unsubscribed_count,
        count(*) filter (channel = 'push' and sent) as push_sent_count,
        count(*) filter (channel = 'push' and delivered) as push_delivered_count,
        count(*) filter (channel = 'push' and opened) as push_opened_count,
        count(*) filter (channel = 'push' and clicked) as push_clicked_count,
        count(*) filter (channel = 'push' and replied) as push_replied_count,
        count(*) filter (channel = 'push' and bounced) as push_bounced_count,
        count(*) filter (channel = 'push' and unsubscribed) as push_unsubscribed_count,
        count(*) filter (channel = 'whatsapp' and sent) as whatsapp_sent_count,
        count(*) filter (channel = 'whatsapp' and delivered) as whatsapp_delivered_count,
        count(*) filter (channel = 'whatsapp' and opened) as whatsapp_opened_count,
        count(*) filter (channel = 'whatsapp' and clicked) as whatsapp_clicked_count,
        count(*) filter (channel = 'whatsapp' and replied) as whatsapp_replied_count,
        count(*) filter (channel = 'whatsapp' and bounced) as whatsapp_bounced_count,
        count(*) filter (channel = 'whatsapp' and unsubscribed) as whatsapp_unsubscribed_count
    from messages
    group by profile_id
),
orders as (
    select distinct on (profile_id, order_id) profile_id, coalesce(properties->>'$.order_id', event_id) as order_id,
        occurred_at, amount, currency,
        coalesce(json_array_length(properties->'$.discount_codes'), 0) > 0
            or coalesce(try_cast(properties->>'$.discount' as double), 0) > 0 as is_discounted
    from person_events
    where event_type = 'ordered'
    order by profile_id, order_id, (source = 'segment'), amount is null, occurred_at, event_id
),
main_currency as (
    select distinct on (profile_id) profile_id, currency
    from (select profile_id, currency, count(*) as order_count from orders group by profile_id, currency)
    order by profile_id, currency is null, order_count desc, currency
),
reported_refunds as (
    select profile_id, properties->>'$.order_id' as order_id, currency, source, sum(abs(amount)) as refunded
    from person_events
    where event_type = 'refunded'
    group by all
),
refunds as (
    -- Shop and web tracking may both report a refund.
    select profile_id, order_id, currency, max(refunded) as refunded from reported_refunds group by all
),
net_orders as (
    select o.profile_id, o.occurred_at, o.is_discounted, o.currency, o.amount,
        least(o.amount, coalesce(r.refunded, 0)) as refunded
    from orders o
    left join refunds r on r.profile_id = o.profile_id and r.order_id = o.order_id
        and r.currency is not distinct from o.currency
),
unplaced_refunds as (
    select r.profile_id, sum(r.refunded) as refunded
    from refunds r join main_currency c on c.profile_id = r.profile_id and c.currency is not distinct from r.currency
    where r.order_id is null
    group by r.profile_id
),
purchases as (
    select o.profile_id, any_value(c.currency) as currency, count(*) as order_count,
        count(*) filter (o.occurred_at > $as_of - interval 90 days) as order_count_90d,
        count(*) filter (o.is_discounted) as discount_order_count,
        sum(o.amount) filter (o.currency is not distinct from c.currency) as gross_value,
        sum(o.refunded) filter (o.currency is not distinct from c.currency) as refunded,
        count(o.amount) filter (o.currency is not distinct from c.currency) as valued_count,
        min(o.occurred_at) as first_order_at, max(o.occurred_at) as last_order_at
    from net_orders o join main_currency c using (profile_id)
    group by o.profile_id
)
select p.profile_id,
    coalesce(t.event_count, 0) as event_count, t.first_event_at, t.last_event_at, t.last_active_at,
    date_sub('day', t.last_active_at, $as_of) as recency_days,
    coalesce(b.order_count, 0) as order_count,
    coalesce(b.order_count_90d, 0) as order_count_90d,
    cast(greatest(0, coalesce(b.gross_value, 0) - coalesce(b.refunded, 0) - coalesce(r.refunded, 0)) as decimal(18, 2)) as order_value,
    b.currency,
    cast(b.gross_value / nullif(b.valued_count, 0) as decimal(18, 2)) as average_order_value,
    coalesce(b.discount_order_count, 0) as discount_order_count,
    b.first_order_at, b.last_order_at, t.last_cart_at,
    coalesce(m.email_sent_count, 0) as email_sent_count, coalesce(m.email_delivered_count, 0) as email_delivered_count,
    coalesce(m.email_opened_count, 0) as email_opened_count, coalesce(m.email_clicked_count, 0) as email_clicked_count,
    coalesce(m.email_replied_count, 0) as email_replied_count, coalesce(m.email_bounced_count, 0) as email_bounced_count,
    coalesce(m.email_unsubscribed_count, 0) as email_unsubscribed_count,
    coalesce(m.sms_sent_count, 0) as sms_sent_count, coalesce(m.sms_delivered_count, 0) as sms_delivered_count,
    coalesce(m.sms_opened_count, 0) as sms_opened_count, coalesce(m.sms_clicked_count, 0) as sms_clicked_count,
    coalesce(m.sms_replied_count, 0) as sms_replied_count, coalesce(m.sms_bounced_count, 0) as sms_bounced_count,
    coalesce(m.sms_unsubscribed_count, 0) as sms_unsubscribed_count,
    coalesce(m.push_sent_count, 0) as push_sent_count, coalesce(m.push_delivered_count, 0) as push_delivered_count,
    coalesce(m.push_opened_count, 0) as push_opened_count, coalesce(m.push_clicked_count, 0) as push_clicked_count,
    coalesce(m.push_replied_count, 0) as push_replied_count, coalesce(m.push_bounced_count, 0) as push_bounced_count,
    coalesce(m.push_unsubscribed_count, 0) as push_unsubscribed_count,
    coalesce(m.whatsapp_sent_count, 0) as whatsapp_sent_count, coalesce(m.whatsapp_delivered_count, 0) as whatsapp_delivered_count,
    coalesce(m.whatsapp_opened_count, 0) as whatsapp_opened_count, coalesce(m.whatsapp_clicked_count, 0) as whatsapp_clicked_count,
    coalesce(m.whatsapp_replied_count, 0) as whatsapp_replied_count, coalesce(m.whatsapp_bounced_count, 0) as whatsapp_bounced_count,
    coalesce(m.whatsapp_unsubscribed_count, 0) as whatsapp_unsubscribed_count
from profiles.profiles p
left join totals t using (profile_id)
left join engagement m using (profile_id)
left join purchases b using (profile_id)
left join unplaced_refunds r using (profile_id)
