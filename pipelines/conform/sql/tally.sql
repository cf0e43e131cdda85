-- reads: landing.files, landed_rows, outcomes
-- makes: nothing: a query

-- One outcome per line: if its items have several, the first in this order.
with lines as (
    select source, file_id, line_number,
        min(case outcome when 'reject' then 1 when 'event' then 2 when 'observation' then 3 when 'consent' then 4
            else 5 end) as rank
    from (
        select source, file_id, line_number, outcome from outcomes
        union all
        select f.source, r.file_id, r.line_number, 'reject'
        from landed_rows r join landing.files f using (file_id) where r.reject_reason is not null
    )
    group by all
)
select source, ['reject', 'event', 'observation', 'consent', 'duplicate'][rank] as outcome, count(*) as lines
from lines
group by all
order by all
