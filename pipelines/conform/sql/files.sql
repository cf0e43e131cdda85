-- reads: landing.rejects
-- makes: landing.files

update landing.files f
set reject_count = r.reject_count
from (select file_id, count(distinct line_number) as reject_count from landing.rejects group by file_id) r
where r.file_id = f.file_id
