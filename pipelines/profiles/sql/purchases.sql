-- reads: conformed.events, numbered, is_lapse()
-- makes: purchases

-- Orders, and refunds that name no order. An order reported by both shop and web tracking counts once, with the shop's
-- figures if there are any; if a source reports it line by line, the lines are summed. Refunds are subtracted from their
-- order, up to its amount: an order that is refunded and cancelled is not subtracted twice. Amounts are in the person's
-- main currency, that of most of their orders; orders in other currencies count without an amount.
create or replace temp table purchases as
with traded as (
    select n.person, e.event_id, e.event_type, e.source, e.occurred_at, e.amount, e.currency,
        json_extract_string(e.properties, ['$.order_id', '$.order_line', '$.discount', '$.discount_codes[0]']) as told,
        told[1] as order_id, told[2] as order_line,
        coalesce(try_cast(told[3] as double), 0) > 0 or told[4] is not null as is_discounted
    from conformed.events e
    join numbered n using (observation_id)
    where e.event_type in ('ordered', 'refunded') and not e.is_machine and e.occurred_at <= $as_of
),
reports as (
    select * replace (coalesce(order_id, event_id) as order_id)
    from traded
    where event_type = 'ordered'
    -- A window: `distinct on` costs four times as much.
    window believed as (partition by person, coalesce(traded.order_id, event_id)
        order by source = 'segment', amount is null, occurred_at, event_id)
    qualify row_number() over believed = 1 or order_line is not null and source = first_value(source) over believed
),
orders as (
    select person, order_id, min(occurred_at) as occurred_at, sum(amount) as amount, min(currency) as currency,
        bool_or(is_discounted) as is_discounted
    from reports
    group by person, order_id
),
main_currency as (
    select person, currency
    from (select person, currency, count(*) as order_count from orders group by person, currency)
    qualify row_number() over (partition by person order by currency is null, order_count desc, currency) = 1
),
reported_refunds as (
    select person, order_id, currency, source, sum(abs(amount)) as refunded
    from traded
    where event_type = 'refunded'
    group by all
),
refunds as (
    -- Shop and web tracking may both report a refund: the larger amount counts.
    select *
    from reported_refunds
    qualify row_number() over (partition by person, order_id, currency order by refunded desc nulls last, source) = 1
),
net_orders as (
    select o.person, true as is_order, o.order_id, o.occurred_at, o.is_discounted, c.currency as main_currency,
        if(o.currency is not distinct from c.currency, o.amount, null) as amount,
        coalesce(r.refunded, 0) as refunded,
        (epoch_us(o.occurred_at) - epoch_us(lag(o.occurred_at) over (
            partition by o.person order by o.occurred_at, o.order_id))) / 86400e6 as days_since_previous
    from orders o
    join main_currency c using (person)
    left join refunds r on r.person = o.person and r.order_id = o.order_id and r.currency is not distinct from o.currency
),
rhythms as (
    select person, count(*) as order_count, median(days_since_previous) as median_days from net_orders group by person
),
unplaced_refunds as (
    select t.person, false as is_order, t.occurred_at, -abs(t.amount) as net_value, c.currency as main_currency
    from traded t
    join refunds r on r.person = t.person and r.order_id is null and r.source = t.source
        and r.currency is not distinct from t.currency
    join main_currency c on c.person = t.person and c.currency is not distinct from t.currency
    where t.event_type = 'refunded' and t.order_id is null
)
select n.* exclude (refunded), n.amount - least(n.amount, n.refunded) as net_value,
    is_lapse(n.days_since_previous, r.order_count, r.median_days) as is_return
from net_orders n
join rhythms r using (person)
union all by name
select * from unplaced_refunds
