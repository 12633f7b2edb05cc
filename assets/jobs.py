"""The jobs: one whole tick, one import of files, one dispatch per receiver, one examination of a batch."""

from dagster import AssetSelection, define_asset_job

from assets.backtest import backtest as backtest_asset
from assets.callbacks import callbacks as callbacks_asset
from assets.core import pool
from assets.decision import decide
from assets.imports import imports
from assets.mart import marts
from assets.outbox import senders
from assets.quality import expectations
from assets.raw import pull
from assets.rules import rules
from assets.stock import guard, wms_stock

# A run whose process vanished would count as running for ever without a limit, and hold up every later tick.
MAX_RUNTIME = "dagster/max_runtime"
PRIORITY = "dagster/priority"

tick = define_asset_job(
    "tick",
    AssetSelection.assets(pull, wms_stock, callbacks_asset, pool, rules, decide, guard, *marts)
    - AssetSelection.checks(expectations),
    description="一次完整的拉单、入池、决策 · Pull every shop and the stock, take in callbacks, pool what landed, "
    "decide, guard the stock, rebuild the marts. Dispatch follows by sensor.",
    run_tags={MAX_RUNTIME: "840", PRIORITY: "10"},
)

import_files = define_asset_job(
    "import_files",
    AssetSelection.assets(imports, pool, rules, decide, guard, *marts) - AssetSelection.checks(expectations),
    description="文件导入 · Import the files of the inbox, pool what landed, decide, rebuild the marts.",
    run_tags={MAX_RUNTIME: "3600", PRIORITY: "5"},
)

callbacks = define_asset_job(
    "callbacks",
    AssetSelection.assets(callbacks_asset, pool, rules, decide, guard, *marts) - AssetSelection.checks(expectations),
    description="仓库与快递回传 · Take in what WMS and courier reported, pool it, decide, rebuild the marts.",
    run_tags={MAX_RUNTIME: "840", PRIORITY: "15"},
)

dispatch = {
    sender.key.path[-1]: define_asset_job(
        f"dispatch_{sender.key.path[-1]}",
        AssetSelection.assets(sender),
        description=f"发送指令 · Send what is due to {sender.key.path[-1]}.",
        run_tags={MAX_RUNTIME: "840", PRIORITY: "20"},
    )
    for sender in senders
}

quality = define_asset_job(
    "quality",
    AssetSelection.checks(expectations),
    description="质量检查 · Great Expectations on the batch of a tick.",
    run_tags={MAX_RUNTIME: "840", PRIORITY: "0"},
)

backtest = define_asset_job(
    "backtest",
    AssetSelection.assets(backtest_asset),
    description="规则回测 · Try edited rule files on past orders. Writes nothing to the lake.",
    run_tags={MAX_RUNTIME: "840", PRIORITY: "0"},
)
