-- How vague the receiver's detail address is, where the vault holds it in clear.
-- grain: one row per order of the batch · key: order_id · inputs: work.contacts
-- Codes and points, which add up to 100 at most; 60 and more is an address nobody can deliver to without asking:
--   placeholder 100      stands in for an address: 某某, xx, 测试, 同上, 待定, 自提 without a pick-up point, test, n/a
--   repeated_region 80   nothing but the names of province, city, district and town
--   only_landmark 60     门口, 对面, 旁, 附近, near … and no number of its own
--   too_short 40         fewer than 4 Chinese characters, or 6 letters and digits
--   no_number 30         no number of a house, building, floor, room or village group
--   only_road 30         ends with a road, and has no number: 文一西路
--   no_building 30       an estate, tower, square or industrial park, and nothing of it named: 栋, 号楼, 座, 室, a number
-- A named pick-up point (菜鸟驿站, 丰巢柜) needs neither number nor building.
with clear as (
    select order_id, address, province, city, district, town
    from work.contacts
    where address <> '' and not is_masked(address)
),

told as (  -- without the regions, which stand in fields of their own, phones, and the names of underground lines
    select
        order_id,
        regexp_matches(address, '\p{Han}') as chinese,
        if(
            regexp_matches(address, '\p{Han}'),
            regexp_replace(
                replace(replace(replace(replace(
                    regexp_replace(address, '\s', '', 'g'),
                    coalesce(province, ''), ''), coalesce(city, ''), ''), coalesce(district, ''), ''), coalesce(town, ''), ''),
                '1[3-9][0-9]{9}|[0-9一二三四五六七八九十]+号线', '', 'g'),
            trim(address)
        ) as detail
    from clear
),

read as (
    select
        order_id, chinese, detail,
        regexp_replace(detail, '[^\p{L}\p{N}]', '', 'g') as letters,
        if(
            chinese,
            regexp_matches(detail, '[0-9０-９]|[一二三四五六七八九十百]+(?:号|栋|幢|座|单元|室|楼|层|组|队|社|弄|巷|区|排|期)'
                || '|[A-Za-z甲乙丙丁](?:座|栋|幢|区|楼|馆)'),
            regexp_matches(detail, '[0-9]')
        ) as has_number,
        regexp_matches(detail, '(?:驿站|丰巢|快递柜|自提点|自提柜|代收点|快递超市|妈妈驿站|服务站|便利店|超市)') as at_pickup_point,
        if(
            chinese,
            regexp_matches(detail, '门口|对面|旁边|附近|隔壁|周边|边上|路口|村口|街口|出口|交叉口|交汇处|楼下|后面|前面|旁[^\p{Han}]*$'),
            regexp_matches(detail, '(?i)\b(?:near|opposite|next to|behind|beside|across from|in front of)\b')
        ) as has_landmark,
        -- 88号对面 is another house than 88.
        regexp_matches(detail, '号(?:的|正|斜)*(?:对面|旁边|旁|附近|隔壁)[^\p{Han}0-9]*$') as beside_number,
        regexp_matches(detail, '(?i)某某|某(?:小区|路|街|村|镇|号)|测试|同上|待定|待补|不详|未知|暂无|没有地址|随便|自提(?:[^点柜站店处]|$)')
            or regexp_full_match(detail, '(?i)无|[^\p{L}\p{N}]*|(?:n/?a|none|unknown|tbd|test(?:ing)?|same as above|asdf\w*)[ .]*(?:address)?')
            -- Not the x of a word: xx路, XXX小区, xx.
            or regexp_matches(detail, '(?i)(?:^|[^a-z0-9])x{2,}(?:[^a-z]|$)') as is_placeholder,
        regexp_matches(detail, '(?:小区|花园|家园|嘉园|名苑|公寓|新城|新村|广场|大厦|写字楼|商城|商场|工业区|工业园|产业园|科技园|创业园|园区)')
            and not regexp_matches(detail, '(?:小区|花园|家园|嘉园|名苑|公寓|新城|新村|广场|大厦|写字楼|商城|商场|工业区|工业园|产业园|科技园|创业园|园区)'
                || '.*(?:[0-9０-９]|[一二三四五六七八九十百]+(?:号|栋|幢|座|单元|室|楼|层|区|期)|[A-Za-z甲乙丙丁](?:座|栋|幢|区|楼|馆))'
            ) as whole_premises
    from told
),

judged as (
    select
        order_id,
        case
            when chinese and detail = '' then ['repeated_region']
            when is_placeholder then ['placeholder']
            else list_filter([
                if(has_landmark and not has_number or beside_number, 'only_landmark', null),
                if(not has_number and (has_landmark or not at_pickup_point), 'no_number', null),
                if(whole_premises and (has_landmark or not at_pickup_point), 'no_building', null),
                if(chinese and not has_number and regexp_matches(detail, '(?:路|街|大道)[^\p{L}]*$'), 'only_road', null),
                if(length(letters) < if(chinese, 4, 6), 'too_short', null)
            ], lambda code: code is not null)
        end as problems
    from read
)

select
    order_id,
    least(100, coalesce(list_sum(list_transform(problems, lambda code: case code
        when 'placeholder' then 100 when 'repeated_region' then 80 when 'only_landmark' then 60 when 'too_short' then 40
        else 30 end)), 0))::integer as address_score,
    list_sort(problems) as address_problems
from judged
