-- The rows that one mapping reads. A line of `landed` that is a list (a logged webhook body), or wraps one under a key
-- declared by the source, is several items. An empty list stays one item, because every line needs an outcome.
with lined as (
    select *, case when starts_with(payload, '[') then '$' $lists end as list_path from landed
)
select file_id, line_number, 1::bigint as item_number, payload::json as payload, received_at
from lined
where list_path is null
union all
select file_id, line_number, generate_subscripts(items, 1) as item_number, unnest(items) as payload, received_at
from (
    select * replace (payload::json as payload),
        coalesce(nullif(from_json(json_extract(payload, list_path), '["JSON"]'), []), [payload::json]) as items
    from lined
    where list_path is not null
)
