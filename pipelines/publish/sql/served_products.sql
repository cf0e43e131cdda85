-- reads: products.catalogue, products.companions, products.keys, products.season
-- makes: served_products

-- Products as messages show them, each with what goes with it. Other names of a product lead to it.
create or replace temp view served_products as
with companions as (
    select product_id, string_agg(json_array(companion_id, round(similarity, 4))::varchar, ',' order by rank) as items
    from products.companions
    group by product_id
),
pictured as (
    select c.product_id, s.rank as season_rank, concat(
        rtrim(to_json(struct_pack(name := c.name, url := c.url, image_url := c.image_url))::varchar, '}'),
        ',"prices":', coalesce(c.prices::varchar, '{}'), ',"goes_with":[', g.items, ']}') as document
    from products.catalogue c
    left join companions g using (product_id)
    left join products.season s using (product_id)
)
select product_id as key, product_id, document, md5(document) as document_hash, season_rank from pictured
union all
select key, product_id, null, null, null from products.keys where key <> product_id
