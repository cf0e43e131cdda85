-- reads: nothing
-- makes: landed_rows

-- The raw rows of the files that this run takes in.
create or replace temp view landed_rows as
select file_id, line_number, payload, payload_hash, reject_reason, reject_detail
from read_parquet($parquet)
