-- reads: conformed.events, numbered
-- makes: told_events

-- Events up to the run's `as_of`, as input for segment conditions: by person number (`numbered`), without machine events.
-- An order reported by both shop and web tracking is one event, the shop's.
create or replace temp view told_events as
select n.person, e.event_type, e.event_name, e.channel, e.occurred_at, e.amount, e.currency, e.properties
from conformed.events e
join numbered n using (observation_id)
where e.event_type <> 'ordered' and not e.is_machine and e.occurred_at <= $as_of
union all
select person, event_type, event_name, channel, occurred_at, amount, currency, properties
from (
    select n.person, e.*
    from conformed.events e
    join numbered n using (observation_id)
    where e.event_type = 'ordered' and not e.is_machine and e.occurred_at <= $as_of
    -- A window: `distinct on` costs four times as much.
    qualify row_number() over (partition by n.person, coalesce(e.properties->>'$.order_id', e.event_id)
        order by e.source = 'segment', e.amount is null, e.occurred_at, e.event_id) = 1
)
