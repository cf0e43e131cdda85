-- reads: conformed.event_products, conformed.events, numbered, products.catalogue, products.keys
-- makes: product_activity

-- What people did with products up to the run's `as_of`, both by number: the row in profiles.profiles, and that in
-- products.catalogue.
create or replace temp table product_activity as
with numbers as (
    select k.key, c.rowid::integer as product from products.keys k join products.catalogue c using (product_id)
)
select n.person, p.product, e.event_type::event_word as event_type, e.occurred_at
from conformed.event_products l
join conformed.events e using (event_id)
join numbered n using (observation_id)
join numbers p on p.key = l.product_id
where not e.is_machine and e.occurred_at <= $as_of
    and e.event_type in ('product_viewed', 'added_to_cart', 'removed_from_cart', 'checkout_started', 'ordered')
