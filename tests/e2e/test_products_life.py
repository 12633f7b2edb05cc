"""Listings of two shops over some days: stock that moves, products taken down by us, faults on the way."""

from datetime import timedelta

from orderpipe import flow
from orderpipe.clock import Clock
from orderpipe.flow.verify import verify
from orderpipe.platforms import TokenStore, open_client
from orderpipe.sandbox.model import load_goods

GOODS = load_goods("config/goods.csv")
CURRENCY = {"taobao-hz": ("taobao", "CNY"), "shopify-us": ("shopify", "USD")}


def shown(hub):
    """(shop, product, sku) → (goods code, price in cents, stock, status) by the pool."""
    return {
        (row["shop_id"], row["platform_product_id"], row["platform_sku_id"]): (
            row["sku"], int(row["price"] * 100), row["stock"], row["status"],
        )
        for row in hub.rows("FROM core.products")
    }  # fmt: skip


def truly(hub):
    """The same by the world: a listing shows what both warehouses have free; Taobao takes down what sold out."""
    stock = hub.sandbox.control("GET", "stock")
    taken_down = {(row["shop_id"], row["product_id"]) for row in hub.sandbox.control("GET", "truth/listings")}
    free = {goods.sku: max(0, sum(rows[goods.sku]["available"] for rows in stock.values())) for goods in GOODS}
    found = {}
    for shop, (platform, currency) in CURRENCY.items():
        total = {}
        for goods in GOODS:
            product_id = goods.listing(platform).product_id
            total[product_id] = total.get(product_id, 0) + free[goods.sku]
        for goods in GOODS:
            ids = goods.listing(platform)
            sold_out = platform == "taobao" and total[ids.product_id] == 0
            status = "suspended" if (shop, ids.product_id) in taken_down or sold_out else "listed"
            found[shop, ids.product_id, ids.sku_id] = (goods.sku, goods.price(currency), free[goods.sku], status)
    return found


def client(hub, shop):
    settings = hub.settings
    return open_client(
        settings.shops[shop], tokens=TokenStore(settings.home.tokens), clock=Clock(f"{hub.sandbox.url}/_control/clock")
    )


def test_the_pool_shows_what_the_listings_show(hub):
    here = hub(orders_per_hour=20)
    shops = tuple(CURRENCY)
    here.tick(*shops, send=False)
    assert len(shown(here)) == 2 * len(GOODS)
    assert shown(here) == truly(here)

    for goods, pieces in zip(GOODS, (0, 3, 7), strict=False):
        for warehouse in ("WH-HZ", "WH-FS"):
            here.sandbox.control("POST", "stock", warehouse=warehouse, sku=goods.sku, quantity=pieces)
    here.sandbox.step(3600)
    for platform in ("taobao", "shopify"):
        here.sandbox.fault(platform, "throttle", times=1)
        here.sandbox.fault(platform, "shifted_page", times=2)
    here.tick(*shops, send=False)  # asks for the first time since: what changed dates from now
    taken = {shop: GOODS[-1].listing(platform).product_id for shop, (platform, _) in CURRENCY.items()}
    for shop, product_id in taken.items():
        one = client(here, shop)
        one.suspend_listing(product_id)
        one.close()
    here.sandbox.step(900)
    here.tick(*shops, send=False)
    assert shown(here) == truly(here)
    suspended = {key[:2] for key, (*_, status) in shown(here).items() if status == "suspended"}
    assert set(taken.items()) <= suspended

    for shop, product_id in taken.items():
        one = client(here, shop)
        one.resume_listing(product_id, 10)
        one.close()
    here.sandbox.step(900)
    report = here.tick(*shops, send=False)
    assert shown(here) == truly(here)
    assert not {key[:2] for key, (*_, status) in shown(here).items() if status == "suspended"} & set(taken.items())
    assert [check for check in report.checks if not check.ok] == []

    with flow.open_run(here.settings, say=lambda text: None) as run:
        lanes = [lane for lane in flow.lanes(here.settings, shops) if lane.kind == "product"]
        verified = verify(run, run.started_at - timedelta(days=3650), lanes)
    found = verified if isinstance(verified, list) else verified.lanes
    assert [lane.gaps for lane in found] == [[], []]
    assert sum(lane.listed for lane in found) == len({key[:2] for key in shown(here)})
