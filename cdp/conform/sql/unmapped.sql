-- The safety net under every mapping: a line without any mapped row is refused, never lost.
select file_id, line_number, received_at, $1 as source, 'unsupported' as refused,
    'the source''s mapping knows no such row' as refused_detail
from landed
anti join mapped using (file_id, line_number)
