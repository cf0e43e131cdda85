-- reads: described, keyed
-- makes: items

-- Every item of this run with its ids and, should it be refused after all, the reason. Whatever a source's SELECT
-- says, an event of unknown kind, without a person or outside of time goes no further.
with item as (
    select
        m.file_id, m.line_number, m.received_at, m.source,
        coalesce(m.event_type in ('unsubscribed', 'complained'), false)
            or coalesce(m.consent_channel is not null and m.consent_state in ('denied', 'withdrawn'), false) as is_opt_out,
        coalesce(m.refused, case
            when d.observation_id is null or not d.describes_someone then 'no_identifier'
            when m.event_type is not null and m.occurred_at is null then 'bad_time'
            when m.occurred_at < timestamptz '1990-01-01' then 'bad_time'
            -- Somebody who says no is heard, whatever the clock says.
            when m.occurred_at > m.received_at + interval 1 day and not is_opt_out then 'time_in_future'
            when m.is_claim and (m.event_type = 'resubscribed' or m.consent_state = 'granted') then 'not_authorised'
        end) as reason,
        case when m.refused is not null then m.refused_detail
            when reason = 'no_identifier' then coalesce(m.person_field, 'nothing in the row identifies a person')
            when reason = 'not_authorised' then 'a claim may withdraw consent, not grant it: that takes the scope consents:write'
            when reason is not null then coalesce(m.time_field, 'occurred_at') end as detail,
        d.observation_id,
        case when m.event_type is not null then md5(concat_ws(chr(31), m.source, coalesce(m.event_key,
            md5(concat_ws(chr(31), m.channel, m.event_type, m.event_name, m.occurred_at, m.message_ref, m.amount,
                m.properties::varchar, d.observation_id))))) end as event_id,
        m.channel, m.event_type, m.event_name,
        -- A clock that is ahead must not let what somebody says, or the STOP that it lifts, outlast what follows it.
        (m.consent_channel is not null and m.consent_state is not null)
            or coalesce(m.event_type in ('unsubscribed', 'complained', 'resubscribed'), false) as is_statement,
        case when m.occurred_at <= m.received_at or (m.occurred_at <= m.received_at + interval 1 day and not is_statement)
            then m.occurred_at else m.received_at end as occurred_at,
        m.message_ref, m.message_id, m.campaign_ref, coalesce(m.is_machine, false) as is_machine,
        coalesce(m.is_claim, false) as is_claim, m.credential, m.amount,
        case when regexp_matches(upper(m.currency), '^[A-Z]{3}$') then upper(m.currency) end as currency, m.properties,
        -- Anybody may have a write key: what it tells of a product is which one, never a name, a link or a price.
        list_filter(list_transform(from_json(if(m.event_type is null, null, m.products), '[{
            "product_id": "VARCHAR", "productId": "VARCHAR", "sku": "VARCHAR", "name": "VARCHAR", "url": "VARCHAR",
            "image_url": "VARCHAR", "imageUrl": "VARCHAR", "price": "VARCHAR", "currency": "VARCHAR",
            "quantity": "VARCHAR"}]'), lambda line: {
            'product_id': coalesce(short_text(line.product_id, 200), short_text(line."productId", 200),
                short_text(line.sku, 200)),
            'sku': short_text(line.sku, 200),
            'name': if(m.is_claim, null, short_text(line.name, 200)),
            'url': if(m.is_claim, null, web_url(line.url)),
            'image_url': if(m.is_claim, null, web_url(coalesce(line.image_url, line."imageUrl"))),
            'price': if(m.is_claim, null, positive(try_cast(line.price as decimal(18, 2)))),
            'currency': if(m.is_claim, null,
                nullif(regexp_extract(upper(coalesce(line.currency, m.currency)), '^[A-Z]{3}$'), '')),
            'quantity': positive(try_cast(line.quantity as decimal(12, 3)))::double
        }), lambda line: line.product_id is not null) as products,
        coalesce(m.is_verified, false) as is_verified,
        m.consent_channel, m.consent_purpose, m.consent_topic, m.consent_state, m.consent_scope, m.consent_basis,
        m.consent_method, case when m.consent_at between timestamptz '1990-01-01' and m.received_at + interval 1 day then m.consent_at
            else coalesce(m.occurred_at, m.received_at) end as stated_at,
        least(stated_at, m.received_at) as consent_at
    from keyed m
    left join described d on d.description_key = m.description_key and d.source = m.source
)
select *,
    case when consent_channel is not null and consent_state is not null then
        md5(concat_ws(chr(31), source, observation_id, consent_channel, consent_purpose,
            coalesce(consent_topic, chr(30)), consent_state, consent_scope, consent_at)) end as consent_id
from item
