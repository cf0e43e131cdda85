-- The events of `person_events` as conditions of segments see them: an order that shop and web tracking both report is
-- one event, the shop's report of it.
create or replace temp view told_events as
select profile_id, event_type, event_name, channel, occurred_at, amount, currency, properties
from person_events
where event_type <> 'ordered'
union all
select profile_id, event_type, event_name, channel, occurred_at, amount, currency, properties
from (
    select distinct on (profile_id, coalesce(properties->>'$.order_id', event_id)) *
    from person_events
    where event_type = 'ordered'
    order by profile_id, coalesce(properties->>'$.order_id', event_id), (source = 'segment'), amount is null, occurred_at,
        event_id
)
