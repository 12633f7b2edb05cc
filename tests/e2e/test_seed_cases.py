"""The cases the house began with, from a seller's own sheet of orders to what stands in the lake and at the robot."""

import csv
import io

import pytest

HEAD = [
    "平台订单号", "明细编号", "商品编码", "数量", "单价", "收件人", "电话", "证件号", "付款IP",
    "国家", "省", "市", "区", "详细地址", "下单时间", "付款时间", "订单状态",
]  # fmt: skip
STREET = "文三路188号3栋2单元501室"
ZHEJIANG, GUANGDONG = ("浙江省", "杭州市", "西湖区"), ("广东省", "广州市", "天河区")
# number: (goods, receiver's country and place, address, id number, payment IP, minute)
CUP, GLASS = "CUP-500-BL", "GLS-WINE-2"
ORDERS = {
    "E1": (CUP, "CN", ZHEJIANG, STREET, "", "", 1),
    "E2": (GLASS, "CN", ZHEJIANG, STREET, "", "", 2),
    "E3": (GLASS, "CN", GUANGDONG, STREET, "", "", 3),
    "E4": (CUP, "US", ("California", "Los Angeles", ""), "1200 Sunset Blvd", "", "", 4),
    **{
        f"ID{n}": (CUP, "CN", ZHEJIANG, f"文三路{n}号{n}栋{n}0{n}室", "330106199001011234", "", 10 + n)
        for n in range(1, 5)
    },
    "OTHER-ID": (CUP, "CN", ZHEJIANG, "文三路9号9栋909室", "330106199001015678", "", 16),
    "VAGUE": (CUP, "CN", ZHEJIANG, "某某小区门口", "", "", 20),
    "FAR-IP": (CUP, "CN", ZHEJIANG, "文三路77号7栋707室", "", "113.65.1.2", 21),
    "NEAR-IP": (CUP, "CN", ZHEJIANG, "文三路78号8栋808室", "", "60.177.1.2", 22),
}


def sheet():
    text = io.StringIO(newline="")
    rows = csv.writer(text)
    rows.writerow(HEAD)
    for place, (number, case) in enumerate(ORDERS.items()):
        sku, country, (province, city, district), address, id_number, ip, minute = case
        who, phone = f"买家{'甲乙丙丁戊己庚辛壬癸子丑'[place]}", f"138{place:08}"
        ordered, paid = f"2026-11-09 09:{minute:02}:00", f"2026-11-09 09:{minute:02}:30"
        rows.writerow(
            [
                number,
                f"{number}-1",
                sku,
                1,
                "89.00",
                who,
                phone,
                id_number,
                ip,
                country,
                province,
                city,
                district,
                address,
                ordered,
                paid,
                "待发货",
            ]
        )
    return text.getvalue().encode("utf-8-sig")


@pytest.fixture
def lived(hub, tmp_path):
    hub = hub(shops="taobao-hz")
    hub.tick()
    path = tmp_path / "orders.csv"
    path.write_bytes(sheet())
    done = hub.command("import", str(path), "--shop", "taobao-hz", "--mapping", "orders")
    assert done.returncode == 0, done.stdout + done.stderr
    return hub


def test_the_seed_cases(lived):
    orders = {row["platform_order_no"]: row for row in lived.rows("FROM core.orders")}
    found = {number: (orders[number]["warehouse_id"], orders[number]["hold_status"]) for number in ORDERS}
    assert found == {
        "E1": ("HZ", None),
        "E2": ("FS", None),
        "E3": ("FS", None),
        "E4": ("cross_border_review", "cross_border_review"),
        "ID1": ("HZ", None),
        "ID2": ("HZ", None),
        "ID3": ("HZ", None),
        "ID4": ("HZ", "review"),
        "OTHER-ID": ("HZ", None),
        "VAGUE": ("HZ", "review"),
        "FAR-IP": ("HZ", "review"),
        "NEAR-IP": ("HZ", None),
    }
    flags = {
        (row["platform_order_no"], row["rule_id"])
        for row in lived.rows(
            """SELECT o.platform_order_no, f.rule_id
               FROM decision.risk_flags f JOIN core.orders o USING (order_id) WHERE f.action = 'review'"""
        )
    }
    assert flags == {("ID4", "same_id_number"), ("VAGUE", "vague_address"), ("FAR-IP", "ip_province")}


def test_what_is_held_is_told_and_never_sent_and_what_is_free_goes(lived):
    report = lived.tick()
    assert not report.problems
    receipts = lived.sandbox.receipts()["qimen"]
    sent = {n for effect in receipts if effect["kind"] == "delivery_order" for n in effect["platform_orders"]}
    assert sent == {"E1", "E2", "E3", "ID1", "ID2", "ID3", "OTHER-ID", "NEAR-IP"}
    said = "\n".join(effect["body"] for effect in lived.sandbox.receipts()["dingtalk"])
    for reason in ("同一证件号 30 天内超过 3 单", "地址过于模糊", "付款 IP 所在省份与收货省份不一致"):
        assert reason in said
    for secret in ("330106199001011234", "某某小区门口", "113.65.1.2", "13800000007"):
        assert secret not in said


def test_every_decision_derives_again_from_its_facts_and_version(lived):
    checked = lived.command("rules", "verify", "--json")
    assert checked.returncode == 0, checked.stdout + checked.stderr
