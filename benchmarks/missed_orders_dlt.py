"""A child of missed_orders.py, run by a Python that has dlt: loads orders with dlt's Shopify source, as shipped.

    <dlt python> missed_orders_dlt.py SOURCE_FOLDER WORK_FOLDER SHOP_URL      (the token in SHOPIFY_TOKEN)

Reads commands line by line and answers each with one line of JSON. pull: one pipeline run with the source's own
incremental settings (primary key id, merge, updated_at, from 2000-01-01) into DuckDB. held: ids and updated_at.
"""

import json
import os
import sys
from pathlib import Path


def main() -> None:
    source_folder, work, shop_url = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve(), sys.argv[3]
    os.environ |= {"RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "CRITICAL", "DLT_DATA_DIR": str(work)}
    sys.path.insert(0, str(source_folder.parent))
    source = __import__(source_folder.name)
    import dlt
    import duckdb

    database = work / "shopify.duckdb"
    pipeline = dlt.pipeline(
        "shopify", destination=dlt.destinations.duckdb(str(database)), dataset_name="shopify_data",
        pipelines_dir=str(work / "pipelines"),
    )  # fmt: skip
    answer({"dlt": dlt.__version__, "duckdb": duckdb.__version__})
    for line in sys.stdin:
        if line.strip() == "pull":
            answer(pull(pipeline, source, shop_url))
        elif line.strip() == "held":
            answer(held(duckdb, database))


def pull(pipeline, source, shop_url: str) -> dict:
    """One run, as the source's own example does it. A failed run leaves its state; the next one begins there."""
    try:
        shop = source.shopify_source(private_app_password=os.environ["SHOPIFY_TOKEN"], shop_url=shop_url)
        pipeline.run(shop.with_resources("orders"))
    except Exception as error:  # any failure of a run is a result here
        return {"ok": False, "error": f"{type(error).__name__}: {str(error)[:300]}"}
    return {"ok": True}


def held(duckdb, database: Path) -> list:
    """(id, updated_at) of every row of the orders table; nothing before the first load."""
    if not database.exists():
        return []
    with duckdb.connect(str(database), read_only=True) as con:
        tables = con.execute("SELECT 1 FROM information_schema.tables WHERE table_name = 'orders'").fetchall()
        if not tables:
            return []
        rows = con.execute("SELECT id, epoch(updated_at) FROM shopify_data.orders").fetchall()
    return [[str(number), at] for number, at in rows]


def answer(value: object) -> None:
    print("\x1e" + json.dumps(value), flush=True)


if __name__ == "__main__":
    main()
