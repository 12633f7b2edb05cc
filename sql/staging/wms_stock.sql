-- Stock answers of a Qimen warehouse (inventory.query) in the common typed form.
-- grain: one row per payload · key: source_seq · inputs: staging.payloads
-- The document holds the answer's rows of one item: one per kind of stock and lot. `quantity` is what is free,
-- `lockQuantity` what orders hold. Only good pieces (ZP) can be sold. No rows: the warehouse holds none of it.
-- A quantity that is no whole number makes the sum null, and the quality gate refuses the document.
-- Source: platform documentation of Qimen, inventory.query.
with parsed as (
    select
        seq, shop_id, source_id, source_updated_at, run_id, fetched_at,
        from_json(payload, '{
            "itemCode": "VARCHAR",
            "items": [{"inventoryType": "VARCHAR", "quantity": "VARCHAR", "lockQuantity": "VARCHAR"}]
        }') as t
    from staging.payloads
    where platform = 'wms' and kind = 'stock'
),

counted as (
    select
        *,
        list_transform(t.items, lambda i: {
            good: coalesce(nullif(i.inventoryType, ''), 'ZP') = 'ZP',
            free: whole(i.quantity),
            held: if(coalesce(i.lockQuantity, '') = '', 0, whole(i.lockQuantity))
        }) as rows
    from parsed
)

select
    seq as source_seq,
    shop_id as warehouse_id,
    nullif(trim(t.itemCode), '') as sku,
    total(list_transform(list_filter(rows, lambda r: r.good), lambda r: r.free)) as available,
    total(list_transform(list_filter(rows, lambda r: r.good), lambda r: r.held)) as locked,
    total(list_transform(list_filter(rows, lambda r: not r.good), lambda r: r.free + r.held)) as defective,
    source_updated_at as updated_at,
    fetched_at as known_at,
    run_id
from counted
