-- reads: product_activity, products.catalogue, profiles.profiles
-- makes: products.interests

-- A checkout tells what is in the cart as it starts.
create or replace table products.interests as
with latest as (
    select person, product,
        max(occurred_at) filter (event_type = 'product_viewed') as viewed_at,
        max(occurred_at) filter (event_type in ('added_to_cart', 'checkout_started')) as added_at,
        max(occurred_at) filter (event_type = 'removed_from_cart') as removed_at,
        max(occurred_at) filter (event_type = 'ordered') as bought_at
    from product_activity
    group by person, product
)
select p.profile_id, c.product_id, l.* exclude (person, product)
from latest l
join profiles.profiles p on p.rowid = l.person
join products.catalogue c on c.rowid = l.product
