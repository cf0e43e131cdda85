-- reads: landing.files, landed_rows, outcomes
-- makes: landing.rejects

-- Rows that were unreadable at landing, and items rejected by a mapping or the conforming rules.
insert into landing.rejects by name
select r.file_id, r.line_number, f.source, r.reject_reason as reason, r.reject_detail as detail, r.payload, f.run_id,
    null::timestamptz as resolved_at
from landed_rows r
join landing.files f using (file_id)
where r.reject_reason is not null
union all by name
select o.file_id, o.line_number, o.source, o.reason, o.detail, r.payload, f.run_id, null::timestamptz as resolved_at
from (select distinct file_id, line_number, source, reason, detail from outcomes where outcome = 'reject') o
join landing.files f using (file_id)
join landed_rows r on r.file_id = o.file_id and r.line_number = o.line_number
