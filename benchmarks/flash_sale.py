"""A flash sale in seven shops: how many pieces are sold that are not there, with the stock guard and without?

Simulated buyers order minute by minute; every 15 minutes a tick looks. Side by side, on the same buyers:

    naive  every shop is told what the warehouse holds; orders that have not left it are not counted
    guard  the shipped rule: suspended at 5 sellable pieces or fewer
    sized  a rule for the sale: suspended at what the shops can sell between two looks

The guard is the real one: stock documents land and are pooled, guard_stock() judges and writes the outbox, and what it
instructs takes effect in the shops. Buyers, shops and the reservations of open orders are simulated. A shop sells what
its listing shows; goods leave the warehouse two hours after the order; a tick sees orders that are three minutes old.

    python benchmarks/flash_sale.py [--seeds 5] [--json FILE]
"""

import argparse
import json
import shutil
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pyarrow as pa

from orderpipe import config, flow
from orderpipe.dispatch import outbox
from orderpipe.lake import merge
from orderpipe.lake.landing import PulledWindow, land

START = datetime(2026, 11, 11, 0, 0, tzinfo=UTC)
TICK, TICKS, LAG, LEAVES = 15, 16, 3, 120  # minutes, but for the number of ticks
PER_TICK = (10, 20, 40, 80)  # pieces that all shops together sell between two looks, on the average
POLICIES = ("naive", "guard", "sized")
PEAK = 2.0  # a burst sells up to so many times the average


@dataclass
class Sale:
    """One goods under one policy. shown: pieces each shop still sells; orders: minutes at which pieces were sold."""

    policy: str
    per_tick: int
    seed: int
    stock: int
    shown: Counter
    off: set = field(default_factory=set)
    orders: list = field(default_factory=list)

    @property
    def sku(self) -> str:
        return f"{self.policy.upper()}-{self.per_tick}-{self.seed}"

    def on_hand(self, minute: int) -> int:
        """What the warehouse holds; it cannot send what it has not."""
        return max(self.stock - sum(at + LEAVES <= minute for at in self.orders), 0)

    def reserved(self, minute: int) -> int:
        """Pieces of orders a tick knows of, that have not left."""
        return sum(at + LAG <= minute < at + LEAVES for at in self.orders)

    def sell(self, minute: int, shops: list[str]) -> None:
        """A buyer in each of these shops."""
        for shop in shops:
            if shop not in self.off and self.shown[shop] > 0:
                self.shown[shop] -= 1
                self.orders.append(minute)

    @property
    def oversold(self) -> int:
        return max(len(self.orders) - self.stock, 0)

    @property
    def left(self) -> int:
        return max(self.stock - len(self.orders), 0)


def buyers(per_tick: int, seed: int, shops: list[str]) -> list[list[str]]:
    """The shops that have a buyer, minute by minute: a rate that wanders between quiet and twice the average."""
    rng, found = Random(f"{per_tick}/{seed}"), []
    for _ in range(TICKS):
        rate = per_tick * rng.uniform(2 - PEAK, PEAK) / TICK
        found += [[rng.choice(shops) for _ in range(_poisson(rng, rate))] for _ in range(TICK)]
    return found


def _poisson(rng: Random, rate: float) -> int:
    count, total = 0, rng.expovariate(1.0)
    while total < rate:
        count, total = count + 1, total + rng.expovariate(1.0)
    return count


def rule_file(folder: Path) -> None:
    """The shipped stock rules, and before them one for each size of sale."""
    path = folder / "rules" / "stock.yaml"
    shipped = path.read_text("utf-8")
    rules = shipped[shipped.index("  - id:") :].partition("\nexamples:")[0]
    sized = "".join(
        f"  - {{id: sale_{n}, when: {{all: [{{sku: {{starts_with: SIZED-{n}-}}}}]}}, "
        f"then: {{suspend_at: {int(PEAK * n)}, resume_at: {int(PEAK * n) + 10}}}, note: flash sale}}\n"
        for n in PER_TICK
    )
    path.write_text(f"rules:\n{sized}{rules}", "utf-8")


def look(run: flow.Run, sales: list[Sale], minute: int) -> float:
    """A tick: stock lands and is pooled, the guard judges, its instructions take effect; seconds the guard took."""
    con, at = run.lake, START + timedelta(minutes=minute)
    run.started_at = at
    windows = []
    for warehouse in run.settings.warehouses:
        rows = []
        for sale in sales:
            pieces = sale.on_hand(minute) if warehouse == "HZ" else 0
            items = [{"itemCode": sale.sku, "inventoryType": "ZP", "quantity": str(pieces), "lockQuantity": "0"}]
            rows.append((sale.sku, at, json.dumps({"itemCode": sale.sku, "items": items if pieces else []})))
        windows.append(PulledWindow("wms", warehouse, "stock", at, at, 1, rows))
    con.register("reserved_now", pa.table({
        "order_id": pa.array(range(len(sales)), pa.int64()), "sku": [sale.sku for sale in sales],
        "warehouse_id": ["HZ"] * len(sales), "quantity": pa.array([s.reserved(minute) for s in sales], pa.int64()),
    }))  # fmt: skip
    con.execute("CREATE OR REPLACE TABLE work.reserved_now AS FROM reserved_now")
    con.unregister("reserved_now")
    with run.writing("sale"):
        land(con, run.settings, windows, run_id=run.id, now=at)
        with run.transaction("lake", "reservations"):
            merge.replace(con, "decision.reserved", "work.reserved_now")
    flow.pool(run)
    began = time.perf_counter()
    flow.guard_stock(run)
    took = time.perf_counter() - began
    _carry_out(run, {sale.sku: sale for sale in sales})
    return took


def _carry_out(run: flow.Run, by_sku: dict[str, Sale]) -> None:
    """What the outbox asks for is done at once, and confirmed."""
    con = run.lake
    con.execute(
        """CREATE OR REPLACE TABLE work.sent AS
           SELECT * REPLACE ('acknowledged' AS status, 1 AS attempts, $now::TIMESTAMPTZ AS acked_at)
           FROM outbox.instructions WHERE target = 'platforms' AND status = 'pending'""",
        {"now": run.started_at},
    )
    for kind, shop, sku in con.execute(
        "SELECT kind, params->>'shop_id', params->>'sku' FROM work.sent ORDER BY created_at"
    ).fetchall():
        (by_sku[sku].off.add if kind == "suspend_listing" else by_sku[sku].off.discard)(shop)
    with run.writing("sent"), run.transaction("lake", "sent"):
        outbox.write(con, "work.sent")


def list_everywhere(run: flow.Run, sales: list[Sale]) -> None:
    """Every goods has a listing in every shop."""
    con = run.lake
    con.execute("CREATE OR REPLACE TABLE work.listed (sku VARCHAR, shop_id VARCHAR, platform VARCHAR)")
    for sale in sales:
        for shop in run.settings.shops.values():
            con.execute("INSERT INTO work.listed VALUES ($1, $2, $3)", [sale.sku, shop.id, shop.platform])
    same = """md5(shop_id || sku) AS listing_id, platform, shop_id, sku AS platform_product_id, '' AS platform_sku_id,
              sku, $at::TIMESTAMPTZ AS updated_at, 0 AS source_seq"""
    with run.writing("listings"), run.transaction("lake", "listings"):
        for table, more in (("core.products", "'listed' AS status"), ("core.sold_listings", "0 AS order_id")):
            con.execute(f"INSERT INTO {table} BY NAME SELECT {same}, {more} FROM work.listed", {"at": START})


def simulate(seeds: int, home: Path) -> tuple[list[Sale], float]:
    """Every size of sale under every policy; the sales, and the median seconds a guard took."""
    folder = home / "config"
    shutil.copytree(config.ROOT / "config", folder)
    rule_file(folder)
    settings = config.Settings(config.Home(home / "home"), folder, {"ORDERPIPE_PII_KEY": "5f" * 32})
    shops = list(settings.shops)
    crowds = {(n, seed): buyers(n, seed, shops) for n in PER_TICK for seed in range(seeds)}
    sales = [
        Sale(policy, n, seed, 8 * n, Counter(dict.fromkeys(shops, 8 * n)))
        for policy in POLICIES for n, seed in crowds
    ]  # fmt: skip
    guarded = [sale for sale in sales if sale.policy != "naive"]
    seconds = []
    with flow.open_run(settings, "sale", say=lambda text: None) as run:
        list_everywhere(run, guarded)
        for tick in range(TICKS):
            minute = tick * TICK
            seconds.append(look(run, guarded, minute))
            for sale in sales:
                if sale.policy == "naive":
                    sale.shown = Counter(dict.fromkeys(shops, sale.on_hand(minute)))
            for later in range(TICK):
                for sale in sales:
                    sale.sell(minute + later, crowds[sale.per_tick, sale.seed][minute + later])
    return sales, sorted(seconds)[len(seconds) // 2]


def main() -> None:
    """Run and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as home:
        sales, guard = simulate(asked.seeds, Path(home))
    rows = []
    for n in PER_TICK:
        for policy in POLICIES:
            mine = [sale for sale in sales if (sale.policy, sale.per_tick) == (policy, n)]
            oversold = sorted(sale.oversold for sale in mine)
            rows.append({
                "pieces a tick": n, "stock": 8 * n, "policy": policy,
                "oversold, mean": round(sum(oversold) / len(mine), 1), "oversold, worst": oversold[-1],
                "left unsold, mean": round(sum(sale.left for sale in mine) / len(mine), 1),
            })  # fmt: skip
    names = list(rows[0])
    print(f"| {' | '.join(names)} |\n|{'---|' * len(names)}")
    for row in rows:
        print(f"| {' | '.join(str(row[name]) for name in names)} |")
    goods = 2 * len(PER_TICK) * asked.seeds
    print(f"\n{asked.seeds} sales of each kind; guard_stock() on {goods} goods in 7 shops: median {guard:.2f} s; "
          f"{time.perf_counter() - began:.0f} s in all")  # fmt: skip
    if asked.json:
        asked.json.write_text(json.dumps({"rows": rows, "guard_seconds": guard}, indent=1), "utf-8")


if __name__ == "__main__":
    main()
