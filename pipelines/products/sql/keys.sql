-- reads: conformed.event_products
-- makes: products.keys

-- Sources name a product differently: the shop by its own id, web tracking by the SKU. Ids that were told with one SKU are
-- one product, under the smallest of them, and so is an id that another source tells as an SKU. An SKU that was told with
-- many ids, such as `default`, joins none.
create or replace table products.keys as
with recursive told as (
    select product_id, sku from conformed.event_products where sku <> product_id group by product_id, sku
    qualify count(*) over (partition by sku) <= 3
),
ids as (
    select distinct product_id from conformed.event_products
),
linked as (
    select l.product_id as one, r.product_id as other
    from told l join told r using (sku)
    where l.product_id <> r.product_id
    union
    select sku, product_id from told where sku in (from ids)
    union
    select product_id, sku from told where sku in (from ids)
),
reached as (
    select one, one as other from linked
    union
    select r.one, l.other from reached r join linked l on l.one = r.other
),
heads as (
    select one as product_id, min(other) as head from reached group by one
)
select product_id as key, coalesce(head, product_id) as product_id
from ids left join heads using (product_id)
union all
select sku, min(coalesce(head, product_id))
from told left join heads using (product_id)
where sku not in (from ids)
group by sku
