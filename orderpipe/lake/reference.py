"""Reference files an operator edits (goods master, exchange rates, regions, holidays, IP ranges), loaded as tables of
`ref`."""

import csv
from collections.abc import Iterable
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path

import pyarrow as pa

from orderpipe.config import Settings
from orderpipe.errors import ConfigError

_MONEY, _RATE, _WEIGHT = pa.decimal128(18, 2), pa.decimal128(18, 6), pa.decimal128(12, 3)
_FILES = {
    "goods": {"sku": pa.string(), "name": pa.string(), "price_cny": _MONEY, "cost_cny": _MONEY, "weight_kg": _WEIGHT,
              "fragile": pa.bool_(), "glass": pa.bool_(), "hs_code": pa.string(), "material": pa.string()},
    "fx_rates": {"currency": pa.string(), "valid_from": pa.date32(), "rate_cny": _RATE},
    "regions": {"province": pa.string(), "region": pa.string(), "code": pa.string()},
    "freight": {"warehouse": pa.string(), "region": pa.string(), "first_kg_cny": _MONEY, "next_kg_cny": _MONEY},
    "blacklist": {"kind": pa.string(), "key": pa.string(), "reason": pa.string()},
    "holidays": {"day": pa.date32(), "kind": pa.string(), "note": pa.string()},
    "couriers": {"code": pa.string(), "name": pa.string(), "kuaidi100": pa.string(), "douyin": pa.string(),
                 "shopify": pa.string()},
    "settlement_fees": {"platform": pa.string(), "type": pa.string(), "rate_percent": _RATE, "up_to": _MONEY},
}  # fmt: skip
# What customs ask of goods; a goods master from before has no such columns.
_OPTIONAL = {
    "goods": {name: pa.string() for name in ("name_en", "origin", "unit", "use", "brand", "restricted")},
}
_UNIQUE = {"goods": "sku", "holidays": "day", "couriers": "code"}  # without it a line of an order would count twice
_CHOICES = {
    "goods": {"restricted": ("battery", "liquid", "food", "none")},
    "holidays": {"kind": ("holiday", "workday")},
    "settlement_fees": {"type": ("commission", "freight_insurance")},
}
_TABLES = {"holidays": "calendar"}  # where the table is not called as the file


def load_reference(con, settings: Settings) -> None:
    """Fill a table of `ref` from each of these files; of holidays.csv it is ref.calendar. IP ranges come by themselves.

    A file is read once per connection and state of the file. Raises ConfigError with file, line and remedy.
    """
    loaded = _loaded(con)
    for name in _FILES:
        path = settings.config_dir / f"{name}.csv"
        stamp = _stamp(path)
        if stamp and loaded.get(name) == stamp:
            continue
        con.register("reference_file", _read(path, name))
        con.execute(f"CREATE OR REPLACE TABLE ref.{_TABLES.get(name, name)} AS SELECT * FROM reference_file")
        con.unregister("reference_file")
        _note_loaded(con, name, stamp)


def load_warehouses(con, settings: Settings) -> None:
    """Fill ref.warehouses (warehouse_id, wms_code, cutoff_minutes after midnight in Asia/Shanghai, weekends)."""
    rows = [(w.id, w.wms_code, w.cutoff_minutes, w.weekends) for w in settings.warehouses.values()]
    con.execute(
        """CREATE OR REPLACE TABLE ref.warehouses
           (warehouse_id VARCHAR, wms_code VARCHAR, cutoff_minutes INTEGER, weekends BOOLEAN)"""
    )
    con.executemany("INSERT INTO ref.warehouses VALUES (?, ?, ?, ?)", rows)


def load_ip_ranges(con, settings: Settings) -> None:
    """Fill ref.ip_ranges (first_ip, last_ip as numbers, country, province) from ip_ranges.csv, for the pool.

    A full table has hundreds of thousands of rows, so it is read in SQL, and once per connection and state of the file.
    Raises ConfigError with file, line and remedy.
    """
    path = settings.config_dir / "ip_ranges.csv"
    stamp = _stamp(path)
    if stamp and _loaded(con).get("ip_ranges") == stamp:
        return
    import duckdb  # here, because whoever reads the command line's help need not load an engine

    _note_loaded(con, "ip_ranges", None)
    _read_header(path, ("first_ip", "last_ip", "country", "province"))
    try:
        con.execute(
            """CREATE OR REPLACE TABLE ref.ip_ranges AS
               SELECT ipv4(trim(first_ip)) AS first_ip, ipv4(trim(last_ip)) AS last_ip,
                      nullif(trim(country), '') AS country, nullif(trim(province), '') AS province,
                      row_number() OVER () + 1 AS line
               FROM read_csv($path, header = true, all_varchar = true, delim = ',', quote = '"', parallel = false)""",
            {"path": str(path)},
        )
    except duckdb.Error as error:
        first, *_ = str(error).splitlines()
        raise ConfigError(f"not a CSV file: {first}", where=str(path), remedy="see docs/configuration.md") from None
    wrong = con.execute(
        """SELECT line, CASE
                 WHEN first_ip IS NULL OR last_ip IS NULL THEN 'first_ip and last_ip must be IPv4 addresses'
                 WHEN first_ip > last_ip THEN 'first_ip is above last_ip'
                 WHEN first_ip <= before THEN 'the range overlaps another one'
             END AS problem
           FROM (SELECT *, max(last_ip) OVER (ORDER BY first_ip, line ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
                     AS before FROM ref.ip_ranges)
           WHERE problem IS NOT NULL ORDER BY line LIMIT 1"""
    ).fetchone()
    if wrong:
        raise ConfigError(wrong[1], where=f"{path}:{wrong[0]}", remedy="mend the line, or cut one of the ranges")
    _note_loaded(con, "ip_ranges", stamp)


def _stamp(path: Path) -> str | None:
    """What tells one state of a file from another; None when there is no file."""
    if not path.exists():
        return None
    state = path.stat()
    return f"{path}|{state.st_mtime_ns}|{state.st_size}"


def _loaded(con) -> dict[str, str | None]:
    """Which state of each file its table holds. It stands in a table, so that a rollback takes back both."""
    con.execute("CREATE TABLE IF NOT EXISTS ref.files (name VARCHAR, stamp VARCHAR)")
    return dict(con.execute("FROM ref.files").fetchall())


def _note_loaded(con, name: str, stamp: str | None) -> None:
    con.execute("DELETE FROM ref.files WHERE name = $1", [name])
    con.execute("INSERT INTO ref.files VALUES ($1, $2)", [name, stamp])


def _read_header(path: Path, columns: Iterable[str]) -> None:
    """Raises ConfigError when the file or one of these columns is missing."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            missing = set(columns) - set(next(csv.reader(file), ()))
    except FileNotFoundError:
        raise ConfigError(
            "the file does not exist", where=str(path), remedy="copy it from the repository's config/"
        ) from None
    if missing:
        raise ConfigError(
            f"column {', '.join(sorted(missing))} is missing", where=str(path), remedy="add it to the first line"
        )


def _read(path: Path, name: str) -> pa.Table:
    """A file of _FILES as a table; a column that may be missing is null then."""
    _read_header(path, _FILES[name])
    columns, choices, unique = _FILES[name] | _OPTIONAL.get(name, {}), _CHOICES.get(name, {}), _UNIQUE.get(name)
    values: dict[str, list] = {column: [] for column in columns}
    lines: dict[str, int] = {}
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        for row in reader:
            where = f"{path}:{reader.line_num}"
            for column, kind in columns.items():
                text = (row.get(column) or "").strip()
                if text and text not in choices.get(column, (text,)):
                    remedy = f"use one of {', '.join(choices[column])}"
                    raise ConfigError(f"{column}: {text!r} is not known", where=where, remedy=remedy)
                if column == unique:
                    if not text or text in lines:
                        problem = f"stands in line {lines[text]} already" if text else "is empty"
                        raise ConfigError(f"{column} {text} {problem}".replace("  ", " "), where=where,
                                          remedy="keep one line for each")  # fmt: skip
                    lines[text] = reader.line_num
                values[column].append(_value(text, kind, where, column))
    return pa.table({column: pa.array(values[column], kind) for column, kind in columns.items()})


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
