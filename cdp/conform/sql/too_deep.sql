-- reads: every_item
-- makes: nothing
-- adds to: mapped

-- Items that no mapping may read, refused without what came with them.
select file_id, line_number, received_at, $1 as source, 'too_deep' as refused,
    'nested more than $depth levels deep' as refused_detail
from every_item
where is_nested_too_deeply(payload)
