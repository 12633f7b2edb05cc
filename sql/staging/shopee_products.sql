-- Shopee listings (product.get_item_base_info, product.get_model_list spliced in as _model_list) in the common typed form.
-- grain: one row per payload · key: source_seq · inputs: staging.payloads
-- Prices are numbers in the shop's currency, times are unix seconds. A listing that is deleted may be known by a row of
-- the list alone (product.get_item_list): id, status, time, and the shop's own currency as _currency.
-- Source: platform documentation of Shopee, item and model fields.
with parsed as (
    select
        seq, platform, shop_id, run_id, fetched_at,
        from_json(payload, '{
            "item_id": "VARCHAR", "item_name": "VARCHAR", "item_sku": "VARCHAR", "item_status": "VARCHAR", "update_time": "VARCHAR",
            "has_model": "VARCHAR", "_currency": "VARCHAR",
            "price_info": [{"currency": "VARCHAR", "current_price": "VARCHAR"}],
            "stock_info_v2": {"summary_info": {"total_available_stock": "VARCHAR"}},
            "_model_list": {
                "tier_variation": [{"option_list": [{"option": "VARCHAR"}]}],
                "model": [{"model_id": "VARCHAR", "model_sku": "VARCHAR", "model_status": "VARCHAR", "tier_index": ["VARCHAR"],
                    "price_info": [{"currency": "VARCHAR", "current_price": "VARCHAR"}],
                    "stock_info_v2": {"summary_info": {"total_available_stock": "VARCHAR"}}}]}
        }') as i
    from staging.payloads
    where platform = 'shopee' and kind = 'product'
)

select
    seq as source_seq,
    platform,
    shop_id,
    i.item_id as platform_product_id,
    i.item_name as title,
    case
        when i.item_status = 'NORMAL' then 'listed'
        when i.item_status in ('UNLIST', 'BANNED', 'REVIEWING') then 'suspended'
        when i.item_status in ('SELLER_DELETE', 'SHOPEE_DELETE') then 'deleted'
        else 'unknown'
    end as status,
    i.item_status as platform_status,
    coalesce(i.price_info[1].currency, i._model_list.model[1].price_info[1].currency, i._currency) as currency,
    case
        when coalesce(len(i._model_list.model), 0) > 0 then list_transform(i._model_list.model, lambda m: {
            platform_sku_id: m.model_id,
            sku: coalesce(nullif(m.model_sku, ''), nullif(i.item_sku, '')),
            -- What was chosen of each variation, by its place in the list of options.
            name: array_to_string(list_transform(coalesce(m.tier_index, []), lambda x, n:
                i._model_list.tier_variation[n].option_list[try_cast(x as integer) + 1].option), ','),
            price: money(m.price_info[1].current_price),
            stock: try_cast(m.stock_info_v2.summary_info.total_available_stock as bigint),
            status: case m.model_status when 'MODEL_NORMAL' then 'listed' when 'MODEL_UNAVAILABLE' then 'suspended' else 'unknown' end
        })
        -- A listing without models is sold as it is; a row of the list says nothing of skus.
        when i.has_model = 'false' then [{
            platform_sku_id: '', sku: nullif(i.item_sku, ''), name: null::varchar, price: money(i.price_info[1].current_price),
            stock: try_cast(i.stock_info_v2.summary_info.total_available_stock as bigint), status: 'listed'
        }]
    end as skus,
    if(try_cast(i.update_time as bigint) between 1 and 253402300799, to_timestamp(try_cast(i.update_time as bigint)), null) as updated_at,
    fetched_at as known_at,
    run_id
from parsed
