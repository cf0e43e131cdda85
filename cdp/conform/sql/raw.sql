-- reads: every_item
-- makes: raw

-- The rows that one mapping reads. What is nested too deeply is refused beside it (`too_deep`): parsers overflow.
select file_id, line_number, item_number, payload::json as payload, received_at
from every_item
where not is_nested_too_deeply(payload)
