-- reads: product_activity, products.catalogue
-- makes: products.companions

-- What goes with what: pairs of products by the people who have bought both, as item-to-item collaborative filtering has it
-- (Linden, Smith, York 2003: cosine). A pair of fewer than three people says nothing, and could give one of them away. Of
-- each person the last 30 products count, so that the number of pairs is bounded, and of those only what three people have
-- bought: no other pair could have three.
create or replace table products.companions as
with had as (
    select person, product
    from product_activity
    join products.catalogue c on c.rowid = product
    where event_type = 'ordered'
    group by person, product, c.product_id
    qualify row_number() over (partition by person order by max(occurred_at) desc, c.product_id) <= 30
),
sold as (
    select product, count(*) as buyers from had group by product having count(*) >= 3
),
buyers as (
    select count(distinct person) as people from had
),
frequent as (
    select person, product from had semi join sold using (product)
),
together as (
    select l.product as one, r.product as other, count(*) as buyer_count
    from frequent l join frequent r on r.person = l.person and r.product > l.product
    group by all
    having count(*) >= 3
),
measured as (
    select one, other, buyer_count,
        buyer_count * people / (o.buyers * c.buyers) as lift,
        buyer_count / sqrt(o.buyers * c.buyers) as similarity
    from together t
    join sold o on o.product = t.one
    join sold c on c.product = t.other
    cross join buyers
),
both_ways as (
    from measured
    union all by name
    select other as one, one as other, * exclude (one, other) from measured
)
select p.product_id, c.product_id as companion_id,
    row_number() over (partition by one order by similarity desc, c.product_id) as rank, buyer_count, lift, similarity
from both_ways m
join products.catalogue p on p.rowid = m.one
join products.catalogue c on c.rowid = m.other
-- A message could not show the others.
where lift > 1 and c.name is not null and c.url is not null
qualify rank <= 12
