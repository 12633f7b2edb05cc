"""A Douyin shop's life as its back office exports it: the file tells every order as it truly is, and the pull after it
finds the same orders, none twice."""

import csv
import io
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from orderpipe import flow
from orderpipe.imports import inbox

SHOP = "douyin-hz"
STATUS = {"pending_payment": "待支付", "paid": "待发货", "shipped": "已发货", "completed": "已完成", "closed": "已关闭"}
CASES = {"none": "-", "requested": "售后中-待商家处理", "returning": "待买家退货", "refused": "商家已拒绝",
         "refunded": "退款成功", "closed": "售后关闭"}  # fmt: skip
MONEY = ("goods_amount", "discount_amount", "shipping_fee", "tax_amount", "payable_amount", "paid_amount")
TIMES = {"ordered_at": "created", "paid_at": "paid", "shipped_at": "shipped", "completed_at": "completed"}


def local(moment):
    """A time of the sandbox as the back office prints it."""
    if not moment:
        return "-"
    return datetime.fromisoformat(moment).astimezone(ZoneInfo("Asia/Shanghai")).strftime("%Y-%m-%d %H:%M:%S")


def base(true):
    """The status without the overlay of an open case, which the export tells per line."""
    if true["status"] != "after_sale":
        return true["status"]
    return "completed" if true["completed"] else "shipped" if true["shipped"] else "paid"


def export(orders):
    """The orders as 抖店 exports them: a row per line, long numbers behind a tab, UTF-8 with byte order mark."""
    text = io.StringIO(newline="")
    rows = csv.writer(text)
    rows.writerow(
        ["主订单编号", "子订单编号", "选购商品", "商品数量", "商家编码", "商品单价", "订单应付金额", "运费",
         "优惠总金额", "收件人", "收件人手机号", "省", "市", "区", "详细地址", "订单提交时间", "支付完成时间",
         "发货时间",
         "订单完成时间", "订单状态", "售后状态", "买家留言"]
    )  # fmt: skip
    for true in orders:
        who = true["receiver"]
        for line in true["lines"]:
            rows.writerow(
                ["\t" + true["platform_order_no"], "\t" + line["platform_line_id"], line["name"], line["quantity"],
                 line["sku"], f"{Decimal(line['unit_price']):,}", f"{Decimal(line['line_amount']):,}",
                 true["shipping_fee"], line["discount_amount"], who["name"][:1] + "*", "138****0000", who["province"],
                 who["city"], who["district"], "****", local(true["created"]), local(true["paid"]),
                 local(true["shipped"]), local(true["completed"]), STATUS[base(true)], CASES[line["refund_status"]],
                 true["buyer_message"] or ""]
            )  # fmt: skip
    return text.getvalue().encode("utf-8-sig")


def test_a_file_tells_what_is_and_the_pull_after_it_doubles_nothing(hub):
    hub = hub(shops=SHOP, seed=51, history=6, orders_per_hour=20, pace=20)
    orders = [
        true for true in hub.sandbox.truth(SHOP)
        # The export does not tell the first payment of a presale.
        if true["status"] != "unknown" and not true["is_cod"] and not true["is_presale"]
    ]  # fmt: skip
    (inbox.folder(hub.settings) / "export.csv").write_bytes(export(orders))
    with flow.open_run(hub.settings) as run:
        (report,) = inbox.take_in(run)
        flow.pool(run)
        checks = flow.check(run)
    assert (report.status, report.refused, report.documents, report.landed) == ("done", 0, len(orders), len(orders))
    assert [check.detail for check in checks if not check.ok] == []
    held = {row["platform_order_no"]: row for row in hub.rows("FROM core.orders")}
    assert held.keys() == {true["platform_order_no"] for true in orders} and len(held) > 50
    wrong = []
    for true in orders:
        ours = held[true["platform_order_no"]]
        pairs = {name: (ours[name], Decimal(true[name])) for name in MONEY}
        pairs |= {name: (ours[name] and local(ours[name].isoformat()), true[theirs] and local(true[theirs]))
                  for name, theirs in TIMES.items()}  # fmt: skip
        pairs["status"] = ours["status"], true["status"]
        wrong += [
            f"{true['platform_order_no']} {name}: {is_}, truly {ought}"
            for name, (is_, ought) in pairs.items()
            if is_ != ought
        ]
    assert wrong == []

    before = {row["platform_order_no"]: row["order_id"] for row in held.values()}
    hub.sandbox.step(600)
    report = hub.tick(send=False)
    assert [check.detail for check in report.checks if not check.ok] == []
    # Douyin hides the receiver's name from everybody.
    assert [found for found in hub.differences() if " name: " not in found] == []
    after = {row["platform_order_no"]: row["order_id"] for row in hub.rows("FROM core.orders")}
    assert before.items() <= after.items()
