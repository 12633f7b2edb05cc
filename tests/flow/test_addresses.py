"""How vague a receiver's detail address is, as pooled orders show it."""

from random import Random

import pytest

from orderpipe.sandbox import people, places

VAGUE = 60  # points from which nobody can deliver without asking
REGION = {"receiver_state": "浙江省", "receiver_city": "杭州市", "receiver_district": "西湖区"}


@pytest.fixture
def scored(pool, write, state):
    """scored([(address, fields…), …]): (score, problems) of each, by pooled Taobao orders."""

    def score(*addresses, **fields):
        documents = [
            write("taobao", state(f"{7000000000 + n}", buyer=f"B{n}")).changed(
                **{**REGION, "receiver_address": address, **fields, **(own[0] if own else {})}
            )
            for n, (address, *own) in enumerate(a if isinstance(a, tuple) else (a,) for a in addresses)
        ]
        pool.land_together(*documents)
        pool.pool()
        rows = pool.rows("SELECT address_score, address_problems FROM core.orders ORDER BY platform_order_no")
        assert len(rows) == len(addresses)
        return [(row["address_score"], row["address_problems"]) for row in rows]

    return score


VAGUE_ADDRESSES = {
    "某某小区门口": "placeholder",
    "XX路XX号": "placeholder",
    "测试地址1号": "placeholder",
    "同上": "placeholder",
    "到店自提": "placeholder",
    "。。": "placeholder",
    "test": "placeholder",
    "n/a": "placeholder",
    "浙江省杭州市西湖区": "repeated_region",
    "万达广场附近": "only_landmark",
    "菜鸟驿站旁边": "only_landmark",
    "地铁2号线古荡站出口": "only_landmark",
    "桥头村村口 13812345678": "only_landmark",
    "文三路88号对面": "only_landmark",
    "opposite the church": "only_landmark",
    "杭州": "too_short",
    "文一西路": "only_road",
    "翠苑小区": "no_building",
    "高新技术产业园": "no_building",
}
USABLE_ADDRESSES = (
    "文三路88号",
    "浙江省杭州市西湖区文三路88号3幢402室",
    "文三路８８号",
    "文三路88号3幢402室华联超市旁边",
    "翠苑小区三栋二单元",
    "桥头村12号",
    "大王庄村三组",
    "文化路一巷",
    "狮山工业园A区3号",
    "科技园路371号",
    "华强北赛格电子市场A座",
    "仓前街道菜鸟驿站",
    "阳光花园丰巢柜",
    "望京SOHO T1",
    "1 Foxx Road",
    "PO Box 12",
    "Hauptstraße 7",
)


def test_an_address_nobody_can_deliver_to_is_vague(scored):
    found = dict(zip(VAGUE_ADDRESSES, scored(*VAGUE_ADDRESSES), strict=True))
    assert {address: score for address, (score, _) in found.items() if score < VAGUE} == {}
    assert {a: code for a, code in VAGUE_ADDRESSES.items() if code not in found[a][1]} == {}


def test_an_address_with_a_number_or_a_pickup_point_is_not(scored):
    found = dict(zip(USABLE_ADDRESSES, scored(*USABLE_ADDRESSES), strict=True))
    assert {address: judged for address, judged in found.items() if judged[0] > 0} == {}


def test_what_is_only_doubtful_scores_between(scored):
    """A village without a house number, a hospital's ward, a tower whose floor is not told."""
    for score, problems in scored("大王庄村", "第一人民医院心内科", "文三路88号创业大厦"):
        assert 0 < score < VAGUE
        assert problems in (["no_number"], ["no_building"])


def test_a_hidden_or_missing_address_has_no_score(pool, scored):
    assert scored("文三路***", "", ("文三路88号", {})) == [(None, None), (None, None), (0, [])]
    columns = {row["column_name"] for row in pool.rows("DESCRIBE core.order_versions")}
    assert not columns & {"address_score", "address_problems"}  # a version does not know which address is in force


def test_an_address_known_in_clear_keeps_its_score_when_it_is_hidden_later(pool, write, state):
    vague = write("taobao", state("7000000001")).changed(receiver_address="某某小区门口")
    pool.land(vague, write("taobao", state("7000000001", minutes=9, status="shipped", masked=True)))
    pool.pool()
    order = pool.order("7000000001")
    assert (order["status"], order["address_score"]) == ("shipped", 100)


def test_hardly_any_address_of_the_world_is_called_vague_that_is_not(scored):
    """Three thousand receivers of the sandbox, Chinese and foreign, one in twenty vague on purpose."""
    rng = Random(20261111)
    receivers = [people.china_receiver(rng) for _ in range(2000)]
    receivers += [people.abroad_buyer(rng, "b", rng.choice((None, "SG", "MY"))).receiver for _ in range(1000)]
    fields = [
        (r.address, {"receiver_state": r.province, "receiver_city": r.city, "receiver_district": r.district or None,
                     "receiver_town": r.town or None})
        for r in receivers
    ]  # fmt: skip
    called = [score >= VAGUE for score, _ in scored(*fields)]
    vague = [r.address in places.VAGUE for r in receivers]
    missed = [r.address for r, is_vague, found in zip(receivers, vague, called, strict=True) if is_vague and not found]
    wrong = [r.address for r, is_vague, found in zip(receivers, vague, called, strict=True) if found and not is_vague]
    assert sum(vague) > 50
    assert missed == []
    assert len(wrong) / (len(receivers) - sum(vague)) <= 0.001, wrong[:10]
