-- reads: landed_now
-- makes: landed

-- The readable rows of the files that one mapping reads.
create or replace temp view landed as
select r.file_id, r.line_number, r.payload, $received_at as received_at
from read_parquet($parquet) r
join landed_now l using (file_id)
where r.reject_reason is null
