"""How long rules take: a rule set over 100,000 orders, and the backtest of 90 days with 3,000 orders a day.

The orders are made in the lake by SQL, with the goods and regions of the configuration and buyers who come back; the
facts are gathered and judged by the code that ticks and `orderpipe rules backtest` run. Prints medians.

    python benchmarks/rules.py [--orders 270000] [--rounds 3]
"""

import argparse
import resource
import statistics
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from orderpipe import config, flow
from orderpipe.flow import activation
from orderpipe.flow.backtest import backtest
from orderpipe.lake import open_workbench
from orderpipe.lake.dictionary import table
from orderpipe.rules import language
from orderpipe.rules.compile import rules_sql
from orderpipe.rules.purposes import NAMES, purposes

FROM = datetime(2026, 8, 1, tzinfo=UTC)
DAYS = 90
# What the candidate files change: (file, old, new).
CHANGES = {
    "routing": ("{any: [{any_fragile: {eq: true}}, {any_glass: {eq: true}}]}\n    then: {warehouse: FS}",
                "{any: [{any_fragile: {eq: true}}, {any_glass: {eq: true}}]}\n    then: {warehouse: FS, split: true}"),
    "risk": ("id_orders_30d: {gt: 3}", "id_orders_30d: {gt: 2}"),
    "gifts": ("paid_amount_cny: {gte: 300}", "paid_amount_cny: {gte: 200}"),
}  # fmt: skip

_ORDERS = """
    SELECT i AS n, make_id(ordered_at, 'taobao', i::VARCHAR) AS order_id, 'taobao' AS platform, 'taobao-hz' AS shop_id,
           i::VARCHAR AS platform_order_no, if(i % 50 = 0, 'paid', 'completed') AS status, ordered_at,
           ordered_at + INTERVAL 2 MINUTE AS paid_at, ordered_at + INTERVAL 3 DAY AS updated_at, 'CNY' AS currency,
           (20 + hash(i) % 900)::DECIMAL(18, 2) AS goods_amount, 0::DECIMAL(18, 2) AS discount_amount,
           0::DECIMAL(18, 2) AS shipping_fee, 0::DECIMAL(18, 2) AS tax_amount, goods_amount AS payable_amount,
           goods_amount AS paid_amount, goods_amount AS paid_amount_cny, 'buyer' || buyer AS buyer_id,
           'C' || left(md5('c' || buyer), 16) AS customer_id, if(hash(i + 1) % 40 = 0, 'US', 'CN') AS country,
           p.province, '某市' AS city, '某区' AS district, md5('p' || buyer) AS phone_key, md5('i' || buyer) AS id_key,
           md5('a' || buyer % 60000) AS address_key, 'paid' AS payment_status, false AS is_cod, false AS is_presale,
           false AS is_test, false AS is_gift_order, 0::DECIMAL(18, 2) AS balance_due, []::VARCHAR[] AS missing_fields,
           i AS source_seq
    FROM (SELECT i, $from::TIMESTAMPTZ + to_seconds((i * $step)::BIGINT) AS ordered_at,
                 -- A third of the buyers come back, a few of them often.
                 if(hash(i + 2) % 3 = 0, hash(i + 3) % 20000, 20000 + hash(i + 3) % 120000) AS buyer
          FROM range($orders) r(i)) o
    JOIN (SELECT province, row_number() OVER () - 1 AS place FROM ref.regions) p
      ON p.place = hash(o.i + 4) % (SELECT count(*) FROM ref.regions)
"""
_LINES = """
    SELECT o.order_id, l.line_no::INTEGER AS line_no, o.n || '-' || l.line_no AS platform_line_id, g.sku,
           g.name AS product_name, 1 AS quantity, 1 AS ship_quantity, g.price_cny AS unit_price,
           g.price_cny AS line_amount,
           'CNY' AS currency, false AS is_gift, g.fragile, g.glass, g.weight_kg, g.cost_cny, 'none' AS refund_status
    FROM work.made o
    JOIN (SELECT unnest([1, 2, 3]) AS line_no) l
      ON l.line_no <= CASE WHEN hash(o.n + 5) % 10 = 9 THEN 3 WHEN hash(o.n + 5) % 10 >= 7 THEN 2 ELSE 1 END
    JOIN (SELECT *, row_number() OVER () - 1 AS place FROM ref.goods) g
      ON g.place = hash(o.n + 7 * l.line_no) % (SELECT count(*) FROM ref.goods)
"""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--orders", type=int, default=270_000)
    arguments.add_argument("--rounds", type=int, default=3)
    asked = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = config.Settings(
            config.Home(Path(folder) / "home"), config.ROOT / "config", {"ORDERPIPE_PII_KEY": "5f" * 32}
        )
        _fill(settings, asked.orders)
        _judge_100_000(settings, asked.rounds)
        for name, (old, new) in CHANGES.items():
            _backtest(settings, Path(folder), name, old, new, asked.rounds)
    print(f"peak memory       {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB")


def _fill(settings: config.Settings, orders: int) -> None:
    from orderpipe.lake import merge
    from orderpipe.lake.reference import load_reference

    with flow.open_run(settings, "fill") as run, run.writing("filling"):
        con = run.lake
        activation.active(run)
        load_reference(con, settings)
        step = DAYS * 86_400 / orders
        con.execute(f"CREATE TABLE work.made AS {_ORDERS}", {"from": FROM, "step": step, "orders": orders})
        con.execute(f"CREATE TABLE work.made_lines AS {_LINES}")
        for name, rows in (("core.orders", "work.made"), ("core.order_items", "work.made_lines")):
            columns = ", ".join(f"NULL AS {c}" for c in table(name).columns if c not in _columns(con, rows))
            con.execute(f"CREATE TABLE work.whole AS SELECT *, {columns} FROM {rows} ORDER BY order_id")
            with run.transaction("lake", "fill"):
                merge.append(con, name, "work.whole")
            con.execute("DROP TABLE work.whole")
        (lines,) = con.execute("SELECT count(*) FROM core.order_items").fetchone()
        print(f"{orders:,} orders, {lines:,} lines, {DAYS} days")


def _columns(con, rows: str) -> set[str]:
    return {row[0] for row in con.execute(f"DESCRIBE {rows}").fetchall()}


def _judge_100_000(settings: config.Settings, rounds: int) -> None:
    """Every rule set on orders, over the facts of 100,000 of them."""
    from orderpipe.flow import judging
    from orderpipe.lake.reference import load_reference

    con = open_workbench(settings)
    load_reference(con, settings)
    con.execute("CREATE TABLE work.candidates AS SELECT order_id FROM core.orders ORDER BY order_id DESC LIMIT 100_000")
    took = _median(rounds, lambda: judging.gather_facts(con))
    print(f"facts of 100,000  {took:.2f} s")
    texts, known = activation.stored(con), purposes(settings)
    for name in NAMES:
        if known[name].key == ("order_id",):
            rules = language.restore(texts[name], known[name])
            statement = f"CREATE OR REPLACE TABLE work.judged AS {rules_sql(rules, 'work.order_facts')}"
            took = _median(rounds, lambda statement=statement: con.execute(statement))
            print(f"{name:<17} {took:.2f} s for 100,000 orders, {len(rules.rules)} rules")
    many = language.restore(texts["risk"], known["risk"])
    rules = tuple(replace(many.rules[n % len(many.rules)], id=f"r{n}") for n in range(100))
    many = replace(many, rules=rules, version="a hundred")
    statement = f"CREATE OR REPLACE TABLE work.judged AS {rules_sql(many, 'work.order_facts')}"
    print(f"100 risk rules    {_median(rounds, lambda: con.execute(statement)):.2f} s for 100,000 orders")
    con.close()


def _backtest(settings: config.Settings, folder: Path, name: str, old: str, new: str, rounds: int) -> None:
    text = (settings.config_dir / "rules" / f"{name}.yaml").read_text("utf-8")
    assert old in text, f"{name}.yaml has changed: adapt CHANGES"
    path = folder / f"{name}.yaml"
    path.write_text(text.replace(old, new, 1), "utf-8")
    candidate = language.load(path, purposes(settings)[name])
    reports = []
    took = _median(rounds, lambda: reports.append(backtest(settings, candidate, FROM, FROM + timedelta(days=DAYS))))
    report = reports[-1]
    totals = "; ".join(f"{t.name} {t.before} → {t.after}" for t in report.totals)
    print(f"backtest {name:<8} {took:.2f} s: {report.rows:,} orders, {report.changed:,} changed; {totals}")


def _median(rounds: int, work) -> float:
    seconds = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


if __name__ == "__main__":
    main()
