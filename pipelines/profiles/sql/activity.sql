-- reads: conformed.events, numbered
-- makes: activity

-- Events up to the time that the run speaks for, of whom they happened to, narrow enough to be read many times: people
-- by their number (`numbered`), words as enumerations, messages by their hash. What machines did is left out. A message
-- without a reference is told by the place of its event, and is not named.
create or replace temp table activity as
select n.person, e.channel::channel_word as channel, e.event_type::event_word as event_type, e.occurred_at,
    e.message_ref is not null as is_named,
    -- The hash of null is a number, too.
    if(is_named, hash(e.message_ref), hash(e.rowid)) as message
from conformed.events e
join numbered n using (observation_id)
where not e.is_machine and e.occurred_at <= $as_of
