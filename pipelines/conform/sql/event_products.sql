-- reads: outcomes
-- makes: conformed.event_products

insert into conformed.event_products by name
select event_id, generate_subscripts(products, 1) as position, unnest(products, max_depth := 2)
from outcomes
where outcome = 'event' and len(products) > 0
