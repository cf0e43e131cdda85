-- reads: conformed.events, numbered
-- makes: activity

-- Events up to the run's `as_of`, by person, narrow enough to be read many times: people by number (`numbered`), words as
-- enumerations, messages by hash. Machine events are left out. A message without a reference is identified by the row of
-- its event, and is not named.
create or replace temp table activity as
select n.person, e.channel::channel_word as channel, e.event_type::event_word as event_type, e.occurred_at,
    e.message_ref is not null as is_named,
    -- The hash of null is not null.
    if(is_named, hash(e.message_ref), hash(e.rowid)) as message
from conformed.events e
join numbered n using (observation_id)
where not e.is_machine and e.occurred_at <= $as_of
