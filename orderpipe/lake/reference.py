"""Reference files an operator edits (goods master, exchange rates, regions, shops), loaded as tables of `ref`."""

import csv
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path

import pyarrow as pa

from orderpipe.config import Settings
from orderpipe.errors import ConfigError

_MONEY, _RATE, _WEIGHT = pa.decimal128(18, 2), pa.decimal128(18, 6), pa.decimal128(12, 3)
_FILES = {
    "goods": {"sku": pa.string(), "name": pa.string(), "cost_cny": _MONEY, "weight_kg": _WEIGHT, "fragile": pa.bool_(),
              "glass": pa.bool_(), "hs_code": pa.string(), "material": pa.string()},
    "fx_rates": {"currency": pa.string(), "valid_from": pa.date32(), "rate_cny": _RATE},
    "regions": {"province": pa.string(), "region": pa.string(), "code": pa.string()},
}  # fmt: skip


def load_reference(con, settings: Settings) -> None:
    """Fill ref.goods, ref.fx_rates and ref.regions from config/*.csv. Raises ConfigError with file, line and remedy."""
    for name, columns in _FILES.items():
        table = _read(settings.config_dir / f"{name}.csv", columns)
        con.register("reference_file", table)
        con.execute(f"CREATE OR REPLACE TABLE ref.{name} AS SELECT * FROM reference_file")
        con.unregister("reference_file")


def _read(path: Path, columns: dict[str, pa.DataType]) -> pa.Table:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            missing = columns.keys() - set(reader.fieldnames or ())
            if missing:
                raise ConfigError(
                    f"column {', '.join(sorted(missing))} is missing",
                    where=str(path),
                    remedy="add it to the first line",
                )
            values: dict[str, list] = {name: [] for name in columns}
            for row in reader:
                for name, kind in columns.items():
                    values[name].append(_value((row[name] or "").strip(), kind, f"{path}:{reader.line_num}", name))
    except FileNotFoundError:
        raise ConfigError(
            "the file does not exist", where=str(path), remedy="copy it from the repository's config/"
        ) from None
    return pa.table({name: pa.array(values[name], kind) for name, kind in columns.items()})


def _value(text: str, kind: pa.DataType, where: str, column: str):
    if text == "":
        return None
    try:
        if pa.types.is_boolean(kind):
            return {"true": True, "false": False, "1": True, "0": False}[text.lower()]
        if pa.types.is_decimal(kind):
            return Decimal(text).quantize(Decimal(1).scaleb(-kind.scale))
        if pa.types.is_date(kind):
            return date.fromisoformat(text)
    except (KeyError, InvalidOperation, ValueError):
        raise ConfigError(f"{column}: {text!r} is not a {kind}", where=where, remedy="mend the value") from None
    return text
