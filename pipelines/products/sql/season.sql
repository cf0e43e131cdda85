-- reads: product_activity, products.catalogue
-- makes: products.season

-- What is bought more than before: the buyers of the last 28 days against those that the 84 days before let expect, if
-- all products had grown alike. The measure is that of a Poisson count, so that neither best-sellers nor what three people
-- bought come first by their size alone.
create or replace table products.season as
with bought as (
    select person, product, occurred_at > $as_of - interval 28 days as is_recent
    from product_activity
    where event_type = 'ordered' and occurred_at > $as_of - interval 112 days
),
sold as (
    select product, count(distinct person) filter (is_recent) as buyer_count,
        count(distinct person) filter (not is_recent) as earlier_count
    from bought
    group by product
),
expected as (
    select product, buyer_count,
        coalesce(earlier_count * sum(buyer_count) over () / nullif(sum(earlier_count) over (), 0), 0)::double as expected_count
    from sold
),
risen as (
    select product_id, buyer_count, expected_count, (buyer_count - expected_count) / sqrt(expected_count + 1) as rise
    from expected e
    join products.catalogue c on c.rowid = e.product
    where buyer_count >= 3 and buyer_count >= expected_count and c.name is not null and c.url is not null
)
select row_number() over (order by rise desc, product_id) as rank, *
from risen
qualify rank <= 24
