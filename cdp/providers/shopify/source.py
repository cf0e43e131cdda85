"""Shopify's Admin REST objects: orders, customers and abandoned checkouts, in lists, wrapped or bare.

Format: https://shopify.dev/docs/api/admin-rest/latest/resources/order (and customer, abandoned-checkouts,
refund). The person of an order is its customer, never the recipient of the shipment. A cancelled order is refunded: the
amount not yet covered by its refunds counts as refunded on the day of the cancellation.
"""

from __future__ import annotations

from cdp.providers.shopify.webhook import WEBHOOK
from cdp.sources import Source

_ADDRESS = """{"address1": "VARCHAR", "address2": "VARCHAR", "city": "VARCHAR", "province": "VARCHAR",
            "province_code": "VARCHAR", "zip": "VARCHAR", "country": "VARCHAR", "country_code": "VARCHAR",
            "phone": "VARCHAR", "first_name": "VARCHAR", "last_name": "VARCHAR"}"""

_CONSENT = '{"state": "VARCHAR", "opt_in_level": "VARCHAR", "consent_updated_at": "VARCHAR"}'

_CUSTOMER = f"""{{
        "id": "VARCHAR", "email": "VARCHAR", "phone": "VARCHAR", "first_name": "VARCHAR",
            "last_name": "VARCHAR",
        "verified_email": "BOOLEAN", "created_at": "VARCHAR", "updated_at": "VARCHAR", "locale": "VARCHAR",
        "accepts_marketing": "BOOLEAN", "accepts_marketing_updated_at": "VARCHAR",
        "email_marketing_consent": {_CONSENT}, "sms_marketing_consent": {_CONSENT},
        "default_address": {_ADDRESS}}}"""

SOURCE = Source(
    name="shopify",
    title="Shopify orders and customers",
    files=("shopify*",),
    keys=(
        frozenset({"order_number", "total_price"}),
        frozenset({"line_items", "total_price"}),
        frozenset({"orders_count", "total_spent"}),
        frozenset({"email_marketing_consent", "id"}),
        frozenset({"email_marketing_consent", "customer_id"}),
        frozenset({"sms_marketing_consent", "id"}),
        frozenset({"verified_email", "id"}),
        frozenset({"abandoned_checkout_url"}),
        frozenset({"order"}),
        frozenset({"customer"}),
        frozenset({"checkout"}),
    ),
    lists=("orders", "customers", "checkouts"),
    webhook=WEBHOOK,
    select=rf"""
with document as (
    select file_id, line_number, received_at,
        case
            when (payload->>'$.id') is not null then payload
            -- The topics of marketing consent tell of a customer in other words.
            when (payload->>'$.customer_id') is not null and (payload->'$.email_marketing_consent') is not null
                then json_object('id', payload->>'$.customer_id', 'email', payload->>'$.email_address',
                    'email_marketing_consent', payload->'$.email_marketing_consent')
            else coalesce(payload->'$.order', payload->'$.checkout', payload->'$.customer')
        end as document,
        from_json(document, '{{"id": "VARCHAR", "name": "VARCHAR", "email": "VARCHAR",
            "contact_email": "VARCHAR",
            "phone": "VARCHAR", "created_at": "VARCHAR", "processed_at": "VARCHAR", "cancelled_at": "VARCHAR",
            "currency": "VARCHAR", "total_price": "VARCHAR", "source_name": "VARCHAR", "test": "BOOLEAN",
            "customer_locale": "VARCHAR", "financial_status": "VARCHAR", "abandoned_checkout_url": "VARCHAR",
            "buyer_accepts_marketing": "BOOLEAN", "token": "VARCHAR", "checkout_token": "VARCHAR",
            "first_name": "VARCHAR", "last_name": "VARCHAR", "orders_count": "VARCHAR",
                "verified_email": "VARCHAR",
            "billing_address": {_ADDRESS},
            "customer": "JSON",
            "discount_codes": [{{"code": "VARCHAR"}}],
            "line_items": [{{"product_id": "VARCHAR", "sku": "VARCHAR", "title": "VARCHAR",
                "quantity": "VARCHAR",
                "price": "VARCHAR"}}],
            "refunds": [{{"id": "VARCHAR", "created_at": "VARCHAR", "processed_at": "VARCHAR",
                "transactions": [
                {{"kind": "VARCHAR", "status": "VARCHAR", "amount": "VARCHAR"}}]}}]}}') as o
    from raw
),
told as (
    select file_id, line_number, received_at, o,
        case
            when o.abandoned_checkout_url is not null then 'checkout'
            when o.total_price is not null then 'order'
            when coalesce(o.orders_count, o.verified_email, o.email, o.phone, o.first_name,
                o.last_name) is not null
                then 'customer'
        end as kind,
        from_json(if(kind = 'customer', document, o.customer), '{_CUSTOMER}') as c
    from document
),
housed as (
    select *, if(coalesce(c.default_address.address1, c.default_address.zip, c.default_address.city) is null,
        o.billing_address, c.default_address) as home
    from told
),
person as (
    select *,
        coalesce(nullif(c.email, ''), nullif(o.email, ''), nullif(o.contact_email, '')) as address,
        coalesce(nullif(c.phone, ''), nullif(o.phone, ''), nullif(home.phone, '')) as number,
        from_iso(coalesce(o.processed_at, o.created_at)) as placed_at,
        try_cast(o.total_price as decimal(18, 2)) as total,
        list_transform(o.refunds, lambda refund: {{
            'id': refund.id,
            'at': from_iso(coalesce(refund.processed_at, refund.created_at)),
            'amount': list_sum(list_transform(
                list_filter(refund.transactions, lambda t: t.kind = 'refund' and t.status = 'success'),
                lambda t: try_cast(t.amount as decimal(18, 2))))
        }}) as refunds
    from housed
),
fact as (
    select *, 'item' as part,
        case kind when 'order' then 'ordered' when 'checkout' then 'checkout_started' end
            as event_type,
        kind || ':' || o.id as event_key,
        if(kind = 'customer', coalesce(from_iso(c.updated_at), from_iso(c.created_at),
            from_iso(c.email_marketing_consent.consent_updated_at),
            from_iso(c.sms_marketing_consent.consent_updated_at),
            if(coalesce(c.email_marketing_consent.state, c.sms_marketing_consent.state) is not null, received_at,
                null)), placed_at) as happened_at,
        total as paid,
        if(kind = 'order' and o.buyer_accepts_marketing and address is not null, 'email',
            null) as consent_channel,
        'granted' as consent_state, 'checkout' as consent_method
    from person
    union all by name
    select * exclude (refund), 'refund' as part, 'refunded' as event_type,
        'refund:' || refund.id as event_key,
        refund."at" as happened_at, refund.amount as paid
    from (select *, unnest(refunds) as refund from person where kind = 'order')
    where refund.amount > 0
    union all by name
    select * exclude (rest), 'cancellation' as part, 'refunded' as event_type,
        'cancellation:' || o.id as event_key,
        from_iso(o.cancelled_at) as happened_at, rest as paid
    from (
        select *, total - coalesce(list_sum(list_transform(refunds, lambda refund: refund.amount)), 0) as rest
        from person where kind = 'order' and o.cancelled_at is not null
    )
    where rest > 0
    union all by name
    select * exclude (stated), 'consent' as part,
        coalesce(from_iso(c.updated_at), placed_at, from_iso(stated."at"), received_at) as happened_at,
        stated.channel as consent_channel, stated.state as consent_state, stated.method as consent_method,
        from_iso(if(stated."at" like '____-__-__%', stated."at", null)) as consent_at
    from (
        select *, unnest([
            {{'channel': 'email', 'state': lower(c.email_marketing_consent.state),
                'method': c.email_marketing_consent.opt_in_level,
                'at': c.email_marketing_consent.consent_updated_at}},
            {{'channel': 'sms', 'state': lower(c.sms_marketing_consent.state),
                'method': c.sms_marketing_consent.opt_in_level,
                'at': c.sms_marketing_consent.consent_updated_at}},
            {{'channel': 'email', 'method': 'accepts_marketing', 'at': c.accepts_marketing_updated_at,
                -- If it is false and unchanged since the account was created, the customer was never asked.
                'state': case
                    when c.email_marketing_consent.state is not null then null
                    when c.accepts_marketing then 'subscribed'
                    when from_iso(c.accepts_marketing_updated_at) > from_iso(c.created_at)
                        then 'unsubscribed' end}}
        ]) as stated
        from person
    )
    where stated.state in ('subscribed', 'unsubscribed', 'pending')
        and if(stated.channel = 'email', address, number) is not null
)
select
    file_id, line_number, received_at,
    if(kind = 'customer', 'id, email, phone', 'customer') as person_field,
    case part when 'cancellation' then 'cancelled_at' when 'refund' then 'refunds.created_at'
        else if(kind = 'customer' and c.updated_at is not null, 'updated_at', 'created_at') end as time_field,
    case
        when kind is null then 'unsupported'
        when o.test then 'test_order'
        when coalesce(nullif(c.id, ''), address, number) is null then 'no_identifier'
        when part <> 'consent' and isfinite(happened_at) is not true then 'bad_time'
        when kind = 'order' and total is null then 'bad_amount'
    end as refused,
    case refused when 'unsupported'
        then 'neither an order nor a customer nor a checkout' when 'test_order' then 'test'
        when 'no_identifier' then person_field when 'bad_amount' then 'total_price'
        when 'bad_time' then time_field end as refused_detail,
    event_key,
    case when event_type is not null then if(o.source_name = 'pos', 'store', 'web') end as channel,
    event_type,
    case when event_type is not null then if(part = 'item', kind, part) end as event_name,
    happened_at as occurred_at,
    if(event_type is null, null, o.id) as message_ref,
    false as is_machine,
    if(event_type is null, null, paid) as amount,
    if(event_type is null, null, o.currency) as currency,
    case when event_type is not null then json_object(
        'order_id', if(kind = 'order', o.id, null), 'order_name', o.name, 'checkout_token',
        coalesce(o.checkout_token, if(kind = 'checkout', o.token, null)), 'source_name', o.source_name,
        'financial_status', o.financial_status,
        'discount_codes', list_transform(o.discount_codes, lambda discount: discount.code),
        'products', if(part = 'item', o.line_items, null)) end as properties,
    -- A variant is named by its SKU; the title is the product's. Line items have neither links nor pictures.
    if(part = 'item', to_json(list_transform(o.line_items, lambda line: {{
        'product_id': line.product_id, 'sku': line.sku, 'name': line.title, 'price': line.price,
        'quantity': line.quantity}})), null) as products,
    c.id as customer_id,
    coalesce(nullif(c.first_name, ''), o.billing_address.first_name) as first_name,
    coalesce(nullif(c.last_name, ''), o.billing_address.last_name) as last_name,
    address as email,
    number as phone,
    nullif(concat_ws(' ', nullif(home.address1, ''), nullif(home.address2, '')), '') as street,
    home.city as city,
    coalesce(home.province_code, home.province) as region,
    home.zip as postcode,
    coalesce(home.country_code, home.country) as country,
    coalesce(o.customer_locale, c.locale) as language,
    c.verified_email and nullif(c.email, '') is not null as is_verified,
    consent_channel,
    'marketing' as consent_purpose,
    case consent_state when 'subscribed' then 'granted' when 'unsubscribed'
        then 'withdrawn' else consent_state end
        as consent_state,
    'channel' as consent_scope,
    'consent' as consent_basis,
    consent_method,
    consent_at
from fact
""",
)
