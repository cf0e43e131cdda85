-- reads: conformed.events, items
-- makes: outcomes

-- The outcome of each item. Of several deliveries of an event the first counts, by time of receipt, file and line.
create or replace temp table outcomes as
with repeated as (
    select event_id from items where reason is null and event_id is not null group by event_id having count(*) > 1
),
later as (
    select rowid as item_rowid from items semi join repeated using (event_id)
    where reason is null
    qualify row_number() over (partition by event_id order by received_at, file_id, line_number, rowid) > 1
),
known as (
    select i.rowid as item_rowid from items i semi join conformed.events e using (event_id) where i.reason is null
)
select i.*,
    case
        when i.reason is not null then 'reject'
        when d.item_rowid is not null then 'duplicate'
        when i.event_id is not null then 'event'
        when i.consent_channel is not null then 'consent'
        else 'observation'
    end as outcome
from items i
left join (from later union from known) d on d.item_rowid = i.rowid
