-- Functions the models share. Defined on every writer connection, beside keyed(text) (orderpipe/lake/connection.py).

-- make_id(at, platform, number): BIGINT that sorts by time: seconds since 2005 in the high 31 bits, 32 bits of a hash of
-- platform and number in the low ones. Deterministic. Two numbers of one second with one hash are refused as a collision.
-- Null for a time the high bits cannot hold: no order is of such a time, and an overflow would stop the whole batch.
CREATE OR REPLACE TEMP MACRO make_id(made_at, platform, number) AS
    CASE WHEN epoch(made_at) >= 1104537600 AND epoch(made_at) < 1104537600 + 2147483648
        THEN ((epoch(made_at)::BIGINT - 1104537600) << 32) | (md5_number_lower(platform || ':' || number) & 4294967295)::BIGINT
    END;

-- order_id_of(at, platform, shop, number): the order_id. Lazada's numbers are unique in one store only: one cart over two
-- stores gives both the same. Pinduoduo's begin with the day; its files tell another time of day than its API, so the
-- second of that day is taken from the number itself.
CREATE OR REPLACE TEMP MACRO order_id_of(made_at, platform, shop_id, number) AS
    make_id(
        if(platform = 'pinduoduo' AND made_at IS NOT NULL AND regexp_matches(number, '^[0-9]{6}-'),
            coalesce(
                (try_strptime(left(number, 6), '%y%m%d') AT TIME ZONE 'Asia/Shanghai')
                    + to_seconds((md5_number_upper(number) % 86400)::BIGINT),
                made_at),
            made_at),
        if(platform = 'lazada', platform || '/' || shop_id, platform),
        number);

-- names_order(order_id, platform, shop, number): the id belongs to the number, whatever the time it was ordered at.
CREATE OR REPLACE TEMP MACRO names_order(order_id, platform, shop_id, number) AS
    (order_id & 4294967295) = (md5_number_lower(
        if(platform = 'lazada', platform || '/' || shop_id, platform) || ':' || number) & 4294967295)::BIGINT;

-- customer_id_of(…): the buyer by the platform's own id, else by phone, else by the platform's receiver token; a buyer whom
-- nothing tells is one for each order.
CREATE OR REPLACE TEMP MACRO customer_id_of(platform, buyer_id, phone_key, receiver_key, order_id) AS
    'C' || left(keyed(platform || ':' || coalesce(buyer_id, phone_key, receiver_key, order_id::VARCHAR)), 16);

-- money(text): an amount; null when it is no number, or larger than any order can be: one absurd amount must not
-- overflow where amounts are added up and converted, and stop the whole batch.
CREATE OR REPLACE TEMP MACRO money(value) AS try_cast(try_cast(value AS DECIMAL(14, 2)) AS DECIMAL(18, 2));

-- whole(text): a whole number of pieces; null when it is none. Some write 12.00 for 12.
CREATE OR REPLACE TEMP MACRO whole(value) AS
    CASE WHEN try_cast(value AS DECIMAL(14, 2)) = floor(try_cast(value AS DECIMAL(14, 2)))
        THEN try_cast(value AS DECIMAL(14, 2))::BIGINT END;

-- total(list): the sum of whole numbers, 0 of none; null when one of them is not known.
CREATE OR REPLACE TEMP MACRO total(numbers) AS
    CASE WHEN len(numbers) = list_count(numbers) THEN try_cast(coalesce(list_sum(numbers), 0) AS BIGINT) END;

-- is_masked(text): the platform hid part of it.
CREATE OR REPLACE TEMP MACRO is_masked(value) AS contains(value, '*');

-- mask_name('张三丰') = '张**'; what is masked already stays as it is.
CREATE OR REPLACE TEMP MACRO mask_name(value) AS
    CASE WHEN is_masked(value) THEN value WHEN value <> '' THEN left(value, 1) || repeat('*', least(greatest(length(value) - 1, 1), 3)) END;

-- mask_phone('13812345678') = '138****5678'.
CREATE OR REPLACE TEMP MACRO mask_phone(value) AS
    CASE
        WHEN is_masked(value) THEN value
        WHEN length(value) >= 11 THEN left(value, 3) || '****' || right(value, 4)
        WHEN value <> '' THEN '****' || right(value, 2)
    END;

-- plain_phone('+86 138-1234-5678') = '13812345678'; null when masked or not a number.
CREATE OR REPLACE TEMP MACRO plain_phone(value) AS
    CASE WHEN NOT is_masked(value) AND length(regexp_replace(value, '[^0-9]', '', 'g')) >= 7
        THEN regexp_replace(regexp_replace(value, '[^0-9]', '', 'g'), '^(00)?86(1[0-9]{10})$', '\2') END;

-- without(text, part): text with every occurrence of part replaced by **; nothing to replace leaves it as it is.
CREATE OR REPLACE TEMP MACRO without(value, part) AS
    CASE WHEN length(part) > 1 AND NOT is_masked(part) THEN replace(value, part, '**') ELSE value END;

-- mask_text(text, name, phone, address): free text without the receiver's own data, e-mail addresses, long numbers,
-- street addresses and names. A name shows by the words around it or, in Latin letters, by two capitals in a row:
-- rather a harmless word too many than a name too few; the full text stands in the vault.
CREATE OR REPLACE TEMP MACRO mask_numbers(value) AS
    regexp_replace(regexp_replace(value,
        '[^\s@，。；]+@[^\s@，。；]+', '**', 'g'),
        '[0-9０-９][0-9０-９ .()（）\-]{3,}[0-9０-９][xXＸ]?', '**', 'g');

CREATE OR REPLACE TEMP MACRO mask_streets(value) AS
    regexp_replace(regexp_replace(value,
        '[\p{Han}A-Za-z0-9]*(?:路|街|大道|巷|弄|胡同|小区|花园|公寓|大厦|广场|苑|村|镇|乡|栋|幢|号楼|单元|室|层)[\p{Han}A-Za-z0-9\-]*', '**', 'g'),
        '[0-9]+[A-Za-z]?\s+(?:[A-Z][\p{L}.''-]*\s+){1,4}(?:Street|St|Avenue|Ave|Road|Rd|Lane|Ln|Drive|Dr|Boulevard|Blvd|Court|Ct|Way|Place|Pl)\b\.?', '**', 'g');

CREATE OR REPLACE TEMP MACRO mask_names(value) AS
    regexp_replace(regexp_replace(regexp_replace(regexp_replace(value,
        '((?:(?:收件人|收货人|联系人|姓名|名字|写|找|叫|联系|转交给?|交给|送给|请给|给|改为|改成|换成|换|是)[：:\s]*)+)\p{Han}{2,4}', '\1**', 'g'),
        '\p{Han}{1,4}(先生|女士|小姐|阿姨|师傅|老师|代收|签收|收)', '**\1', 'g'),
        '(?i)(attn|attention|recipient|contact|name|call|ask for|deliver to|gift for|for|to)([:\s]+)(?-i:[A-Z])[\p{L}''-]+(?:\s+(?-i:[A-Z])[\p{L}''.-]*)*', '\1\2**', 'g'),
        '[A-Z][\p{L}''-]+(?:\s+[A-Z][\p{L}''.-]*)+', '**', 'g');

CREATE OR REPLACE TEMP MACRO mask_text(value, name, phone, address) AS
    mask_names(mask_streets(mask_numbers(without(without(without(value, address), name), phone))));

-- address_key_of(…): equal for equal addresses; of the platform's address token where the address is hidden.
CREATE OR REPLACE TEMP MACRO address_key_of(country, province, city, district, address, oaid) AS
    CASE
        WHEN address <> '' AND NOT is_masked(address) THEN keyed(lower(regexp_replace(
            concat_ws('|', country, province, city, district, address), '\s', '', 'g')))
        ELSE keyed(nullif(oaid, ''))
    END;

-- replaced_key_of(…): equal as long as the platform says the same of where an order goes: the receiver it shows, and the
-- place that its newest document names even where it hides the rest.
CREATE OR REPLACE TEMP MACRO replaced_key_of(country, province, city, district, address, oaid, place) AS
    keyed(concat(address_key_of(country, province, city, district, address, oaid), '|',
        coalesce(place, concat(province, '|', city, '|', district))));

-- review_document(payload): what a reviewer decided, as orderpipe/flow/review.py writes it down.
CREATE OR REPLACE TEMP MACRO review_document(payload) AS from_json(payload, '{
    "review_id": "VARCHAR", "order_id": "VARCHAR", "platform_order_no": "VARCHAR", "action": "VARCHAR", "actor": "VARCHAR",
    "reason": "VARCHAR", "decided_at": "VARCHAR", "covers": [{"rule_id": "VARCHAR", "facts_hash": "VARCHAR"}],
    "warehouse": "VARCHAR", "forced": "BOOLEAN", "address_key": "VARCHAR", "replaced_key": "VARCHAR",
    "request": {"refund_id": "VARCHAR", "return_id": "VARCHAR", "verdict": "VARCHAR",
        "account": "VARCHAR", "amount": "VARCHAR",
        "lines": [{"line_no": "INTEGER", "quantity": "BIGINT", "sku": "VARCHAR"}]},
    "address": {"name": "VARCHAR", "phone": "VARCHAR", "country": "VARCHAR", "province": "VARCHAR", "city": "VARCHAR",
        "district": "VARCHAR", "town": "VARCHAR", "address": "VARCHAR", "zip": "VARCHAR"}
}');

-- missing_receiver(…): what of the receiver is missing before a parcel can go; a platform token stands for hidden values.
CREATE OR REPLACE TEMP MACRO missing_receiver(name, phone, country, address, oaid) AS
    list_filter([
        if(coalesce(oaid, '') = '' AND coalesce(name, '') = '', 'name', NULL),
        if(coalesce(oaid, '') = '' AND (coalesce(phone, '') = '' OR is_masked(phone)), 'phone', NULL),
        if(coalesce(oaid, '') = '' AND (coalesce(address, '') = '' OR is_masked(address)), 'address', NULL),
        if(country IS NULL, 'country', NULL)
    ], lambda f: f IS NOT NULL);

-- short_province('浙江省') = '浙江': 浙江省 and 浙江, 内蒙古自治区 and 内蒙古, 上海市 and 上海 are one.
CREATE OR REPLACE TEMP MACRO short_province(province) AS
    regexp_replace(trim(province), '(省|市|特别行政区|(壮族|回族|维吾尔)?自治区)$', '');

-- ipv4('1.2.3.4') = 16909060, the address as a number; null for anything but a dotted IPv4 address.
CREATE OR REPLACE TEMP MACRO ipv4(value) AS
    CASE WHEN regexp_full_match(value, '(?:(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])\.){3}(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])') THEN
        split_part(value, '.', 1)::BIGINT * 16777216 + split_part(value, '.', 2)::BIGINT * 65536
            + split_part(value, '.', 3)::BIGINT * 256 + split_part(value, '.', 4)::BIGINT
    END;

-- sane(moment): null for a time no order is of, with which every reckoning would overflow and stop the whole batch.
CREATE OR REPLACE TEMP MACRO sane(moment) AS
    CASE WHEN moment BETWEEN TIMESTAMPTZ '1990-01-01' AND TIMESTAMPTZ '2100-01-01' THEN moment END;

-- in_shanghai(moment): the clock on the wall in Asia/Shanghai.
CREATE OR REPLACE TEMP MACRO in_shanghai(moment) AS sane(moment) AT TIME ZONE 'Asia/Shanghai';

-- china_time('2026-03-05 18:00:00'): the moment that a clock in China shows so; null for anything else.
CREATE OR REPLACE TEMP MACRO china_time(value) AS sane(try_cast(trim(value) || '+08:00' AS TIMESTAMPTZ));

-- parcel_of('OP2959871-FS-R2') = '2959871-FS-R2': the parcel that our code at WMS and courier names; null for other codes.
CREATE OR REPLACE TEMP MACRO parcel_of(code) AS
    nullif(regexp_extract(trim(code), '^OP([1-9][0-9]{17,18}(?:-[A-Za-z0-9_]{1,24}){0,4})$', 1), '');

-- lead_of('2959871-FS-R2') = 2959871: the order that a parcel is named by.
CREATE OR REPLACE TEMP MACRO lead_of(parcel_id) AS try_cast(split_part(parcel_id, '-', 1) AS BIGINT);

-- cents(amount): money as a whole number of hundredths; of nothing 0.
CREATE OR REPLACE TEMP MACRO cents(amount) AS coalesce((amount * 100)::HUGEINT, 0::HUGEINT);

-- as_money(cents): back again.
CREATE OR REPLACE TEMP MACRO as_money(whole) AS (whole::DECIMAL(18, 0) * 0.01)::DECIMAL(18, 2);

-- share_out(cents, weights): a list that adds up to cents, shared in proportion to weights (of any number of lines, none
-- below 0 counts): floors first, what is left one cent each to the largest remainders, of equal ones to the first. Where
-- no weight counts, all count alike.
CREATE OR REPLACE TEMP MACRO share_by(whole, weights, total) AS list_transform(weights, lambda w, i: sign(whole) * (
    abs(whole) * w // total
    + if(
        len(list_filter(weights, lambda v, j:
            (abs(whole) * v) % total > (abs(whole) * w) % total OR (abs(whole) * v) % total = (abs(whole) * w) % total AND j < i))
            < abs(whole) - list_sum(list_transform(weights, lambda v: abs(whole) * v // total)),
        1, 0)));

CREATE OR REPLACE TEMP MACRO share_out(whole, weights) AS if(
    len(weights) = 1,
    [whole::HUGEINT],
    if(
        list_sum(list_transform(weights, lambda w: greatest(w, 0))) > 0,
        share_by(whole::HUGEINT, list_transform(weights, lambda w: greatest(w, 0)::HUGEINT),
            list_sum(list_transform(weights, lambda w: greatest(w, 0)))::HUGEINT),
        share_by(whole::HUGEINT, list_transform(weights, lambda w: 1::HUGEINT), len(weights)::HUGEINT)));

-- added(a, b), less(a, b), negated(a): lists of equal length, number by number.
CREATE OR REPLACE TEMP MACRO added(a, b) AS list_transform(a, lambda x, i: x + b[i]);
CREATE OR REPLACE TEMP MACRO less(a, b) AS list_transform(a, lambda x, i: x - b[i]);
CREATE OR REPLACE TEMP MACRO negated(a) AS list_transform(a, lambda x: -x);
