-- reads: landed
-- makes: every_item

-- The items of each line, as text. A line of `landed` that holds a list (a webhook body logged as it came), or wraps one
-- under a key that the source names, is several items, but for what the API has stamped. An empty list stays one item: no
-- line goes without an outcome.
with lined as (
    select *, case when starts_with(payload, '[') then '$' else $wrapped_list end as list_path from landed
)
select file_id, line_number, 1::bigint as item_number, payload, received_at
from lined
where list_path is null
union all
select file_id, line_number, generate_subscripts(items, 1) as item_number, unnest(items)::varchar as payload, received_at
from (
    select * replace (payload::json as payload),
        coalesce(nullif(from_json(json_extract(payload, list_path), '["JSON"]'), []), [payload::json]) as items
    from lined
    where list_path is not null
)
