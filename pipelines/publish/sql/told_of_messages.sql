-- reads: conformed.events, landing.files, people, publishing
-- makes: told_of_messages

-- What the files of the run told of messages: reports on messages that the platform has sent, which carry its own id or
-- the provider's, and offers that others have made. What came over the API was told as it came; write keys are not
-- believed. `publishing`: the run, and when the platform accepted its first message.
create or replace temp table told_of_messages as
with told as (
    select e.event_id, p.profile_id, e.source, e.event_type, e.channel, e.occurred_at, e.message_id, e.message_ref,
        if(json_type(e.properties, '$.offer') = 'OBJECT', json_extract_string(e.properties, '$.offer'), null) as offer,
        is_message_channel(e.channel) and coalesce(e.message_id, e.message_ref) is not null
            and e.occurred_at >= publishing.first_message_at as is_report
    from conformed.events e
    join landing.files f using (file_id)
    join publishing using (run_id)
    join people p using (observation_id)
    where not e.is_claim and not starts_with(f.path, 'inbox:')
)
select event_id, profile_id, source, event_type, channel, occurred_at, is_report, message_id, message_ref, offer
from told
where is_report or offer is not null
order by occurred_at, event_id
