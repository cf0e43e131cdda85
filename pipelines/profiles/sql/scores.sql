-- reads: purchases
-- makes: scores

-- Customers by quintile, 5 the best: one plus the number of fifths of customers that rank lower. Equal customers have equal
-- scores, whatever the order of the rows. Amounts in different currencies are not compared.
create or replace temp table scores as
with customers as (
    select person, max(occurred_at) filter (is_order) as last_order_at, count(*) filter (is_order) as order_count,
        greatest(0, coalesce(sum(net_value), 0)) as order_value, any_value(main_currency) as currency
    from purchases
    group by person
)
select person,
    1 + 5 * (rank() over (order by last_order_at) - 1) // count(*) over () as recency_score,
    1 + 5 * (rank() over (order by order_count) - 1) // count(*) over () as frequency_score,
    1 + 5 * (rank() over (partition by currency order by order_value) - 1) // count(*) over (partition by currency)
        as value_score
from customers
