-- The rows that one mapping reads. A line that holds a list (a webhook body logged as it came) is several items.
create or replace temp view raw as
with landed as (
    select r.file_id, r.line_number, r.payload, l.landed_at as received_at
    from read_parquet($parquet) r
    join landed_now l using (file_id)
    where r.reject_reason is null
)
select file_id, line_number, 1::bigint as item_number, payload::json as payload, received_at
from landed
where not starts_with(payload, '[')
union all
select file_id, line_number, generate_subscripts(items, 1) as item_number, unnest(items) as payload, received_at
from (
    select * exclude (payload), from_json(payload, '["JSON"]') as items
    from landed
    where starts_with(payload, '[')
)
