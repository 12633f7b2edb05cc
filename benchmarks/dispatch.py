"""How fast paid orders reach an acknowledged pick order and waybill, beside what the sandbox itself can take.

One sandbox whose clock stands still, so many paid orders in four Chinese shops, one tick, then the dispatch to
warehouse and courier. Orders of one buyer are not merged, so that every order is a parcel. The ceiling is the same
client posting ready-made pick orders to the same sandbox, from as many threads, with no outbox behind it;
calls_per_second is taken off for both. Prints figures of this machine, now; two machines or two runs do not compare.

    python benchmarks/dispatch.py [--orders 9000]
"""

import argparse
import copy
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
KEY = "d1" * 32
MERGED = "merge_window_minutes: 60"
SHOPS = ("taobao-hz", "pinduoduo-hz", "douyin-hz", "jd-hz")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--orders", type=int, default=9000)
    chosen = options.parse_args()
    sandbox = subprocess.Popen(
        [sys.executable, "-m", "orderpipe.sandbox", "--port", "0", "--rate", "0", "--history", "0",
         "--orders-per-hour", "0", "--shops", ",".join(SHOPS)],
        cwd=ROOT, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        url = sandbox.stdout.readline().split()[-1]
        with tempfile.TemporaryDirectory() as folder:
            _environment(Path(folder), url)
            measure(url, chosen.orders)
    finally:
        sandbox.terminate()


def _environment(home: Path, url: str) -> None:
    shutil.copytree(ROOT / "config", home / "config")
    rules = home / "config" / "rules" / "routing.yaml"
    text = rules.read_text("utf-8")
    assert MERGED in text
    rules.write_text(text.split("\nexamples:")[0].replace(MERGED, "merge_window_minutes: 0") + "\n", "utf-8")
    os.environ.update(
        httpx.get(f"{url}/_control/credentials", trust_env=False).json(),
        ORDERPIPE_HOME=str(home / "home"), ORDERPIPE_CONFIG=str(home / "config"), ORDERPIPE_PII_KEY=KEY,
        ORDERPIPE_SANDBOX_URL=url, ORDERPIPE_CLOCK=f"{url}/_control/clock",
    )  # fmt: skip


def measure(url: str, orders: int) -> None:
    """One tick and its dispatch, then the ceiling."""
    from orderpipe import config, flow
    from orderpipe.flow.decide import decide

    for shop in SHOPS:
        _control(url, "orders", shop=shop, n=orders // len(SHOPS), state="paid", spread=1200)
    _control(url, "clock", step=600)
    settings = config.load()
    for receiver in ("courier", "wms"):
        settings.receivers[receiver].settings["calls_per_second"] = None  # as fast as it goes
    for shop in list(settings.shops):
        if shop not in SHOPS:
            del settings.shops[shop]
    began = time.perf_counter()
    report = flow.tick(settings, send=False)
    ticked = time.perf_counter() - began
    print(f"tick of {report.decide.decided} orders: {ticked:.1f} s " + str(report.seconds))
    print(f"parcels {report.decide.parcels}, instructions {report.decide.instructions}, held {report.decide.held}")
    total, workers = 0.0, settings.receivers["wms"].workers
    with flow.open_run(settings, say=lambda text: None) as run:
        decide(run)
        for receiver in ("courier", "wms"):
            began = time.perf_counter()
            sent = flow.dispatch(run, receiver)
            seconds = time.perf_counter() - began
            total += seconds
            print(f"dispatch {receiver}: {sent.acknowledged} acknowledged of {sent.sent} in {seconds:.1f} s = "
                  f"{sent.acknowledged / seconds:.0f} a second, {workers} workers")  # fmt: skip
        done = run.lake.execute(
            """SELECT count(DISTINCT order_id) FROM decision.parcels WHERE parcel_id IN (
                   SELECT params->>'parcel_id' AS parcel_id FROM outbox.instructions
                   WHERE kind IN ('pick_order', 'waybill') AND status = 'acknowledged'
                   GROUP BY parcel_id HAVING count(*) = 2)"""
        ).fetchone()[0]
    print(f"{done} orders have both; tick and dispatch {ticked + total:.1f} s, "
          f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")  # fmt: skip
    _ceiling(settings, workers)


def _ceiling(settings, workers: int, count: int = 2000) -> None:
    """The bare client, with no outbox behind it."""
    from orderpipe import clock
    from orderpipe.dispatch.qimen import QimenClient

    line = {"orderLineNo": "1", "ownerCode": "OWNER01", "itemCode": "CUP-500-BL", "planQty": "1", "actualPrice": "1.00"}
    place = {"province": "浙江省", "city": "杭州市", "detailAddress": "测试路1号"}
    person = {"name": "张三", "mobile": "13800000000", **place}
    head = {
        "orderType": "JYCK", "warehouseCode": "WH-HZ", "createTime": "2026-11-09 10:00:00",
        "placeOrderTime": "2026-11-09 10:00:00", "operateTime": "2026-11-09 10:00:00", "shopNick": "x",
        "logisticsCode": "SF", "senderInfo": person, "receiverInfo": person, "totalAmount": "1.00",
        "itemAmount": "1.00", "discountAmount": "0.00", "freight": "0.00", "arAmount": "0.00", "gotAmount": "1.00",
    }  # fmt: skip
    client = QimenClient(settings.receivers["wms"], clock.from_environment().frozen())

    def one(number: int) -> str:
        order = {"delivery_order": {"deliveryOrderCode": f"BARE{number}", **copy.deepcopy(head)}, "lines": [line]}
        return client.create_delivery_order(order, retry=False).status

    with ThreadPoolExecutor(workers) as pool:
        began = time.perf_counter()
        done = sum(status == "acknowledged" for status in pool.map(one, range(count)))
        seconds = time.perf_counter() - began
    client.close()
    print(f"the sandbox's ceiling: the same client with nothing behind it, {done} of {count} acknowledged, "
          f"{done / seconds:.0f} a second")  # fmt: skip


def _control(url: str, path: str, **body) -> None:
    httpx.post(f"{url}/_control/{path}", json=body, timeout=600, trust_env=False).raise_for_status()


if __name__ == "__main__":
    main()
