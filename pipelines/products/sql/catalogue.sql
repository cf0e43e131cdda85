-- reads: conformed.event_products, conformed.events, products.keys
-- makes: products.catalogue

-- What was told last of each product; each value by itself, because few events tell all.
create or replace table products.catalogue as
with told as (
    select k.product_id, (e.occurred_at, e.event_id, l.position) as told_at, l.name, l.url, l.image_url, l.price, l.currency
    from conformed.event_products l
    join conformed.events e using (event_id)
    join products.keys k on k.key = l.product_id
    where not e.is_machine and e.occurred_at <= $as_of
),
prices as (
    select product_id,
        concat('{', string_agg(to_json(currency) || ':' || to_json(price), ',' order by currency), '}')::json as prices
    from (
        select product_id, currency, arg_max(price, told_at)::varchar as price
        from told
        where price is not null and currency is not null
        group by product_id, currency
    )
    group by product_id
)
select product_id, arg_max(name, told_at) as name, arg_max(url, told_at) as url, arg_max(image_url, told_at) as image_url,
    any_value(prices) as prices
from (select distinct product_id from products.keys) left join told using (product_id) left join prices using (product_id)
group by product_id
