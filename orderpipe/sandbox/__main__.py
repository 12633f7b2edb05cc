"""`python -m orderpipe.sandbox`: run the sandbox, or print the credentials it accepts."""

import argparse
from datetime import datetime
from pathlib import Path

from orderpipe.sandbox.credentials import INITIAL


def main() -> None:
    parser = argparse.ArgumentParser(prog="orderpipe.sandbox", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8790, help="0 takes a free port (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--rate", type=float, default=1.0, help="simulated seconds per second; 0 = stepped (default: %(default)s)"
    )
    parser.add_argument(
        "--history", type=float, default=6, metavar="HOURS", help="past life before the start (default: %(default)s)"
    )
    parser.add_argument("--orders-per-hour", type=float, default=60, help="new orders per shop (default: %(default)s)")
    parser.add_argument("--pace", type=float, default=1.0, help="speed of an order's life (default: %(default)s)")
    parser.add_argument(
        "--start", type=datetime.fromisoformat, metavar="ISO", help="first reading of the clock (default: now)"
    )
    parser.add_argument(
        "--goods", type=Path, default=Path("config/goods.csv"), help="goods master (default: %(default)s)"
    )
    parser.add_argument(
        "--shops", type=lambda text: text.split(","), metavar="ID,…", help="only these shops (default: all)"
    )
    parser.add_argument(
        "--callback-url", default="", metavar="URL", help="where the warehouse reports to (default: nowhere)"
    )
    parser.add_argument("--env", action="store_true", help="print the credentials as NAME=value lines and stop")
    chosen = parser.parse_args()
    if chosen.env:
        print("\n".join(f"{name}={value}" for name, value in INITIAL.items()))
        return
    from orderpipe.sandbox.app import serve

    serve(
        host=chosen.host,
        port=chosen.port,
        seed=chosen.seed,
        rate=chosen.rate,
        history_hours=chosen.history,
        orders_per_hour=chosen.orders_per_hour,
        pace=chosen.pace,
        start=chosen.start,
        goods=chosen.goods,
        shops=chosen.shops,
        callback_url=chosen.callback_url,
    )


if __name__ == "__main__":
    main()
