"""Opening the two lakes: `vault` (personal data in clear) and `lake` (everything else).

DuckLake on DuckDB 1.5.5, a SQLite catalog in WAL mode and local Parquet each. Readers in any number of processes
never block the writer; writers take turns by lease. Extensions come from wheels: nothing is downloaded.
"""

import contextlib
import hmac
import importlib.resources
import os
import sqlite3
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from orderpipe.config import ROOT, Settings
from orderpipe.errors import ConfigError, OrderpipeError
from orderpipe.lake import dictionary
from orderpipe.lake.lease import lease

if TYPE_CHECKING:
    import duckdb

FORMAT = "1.0"  # never migrated silently: a migrated catalog cannot be read by this version again
CATALOGS = ("vault", "lake")
# Schemas of a writer's in-memory database: typed rows of a batch, reference files, change sets. They are filled before
# a transaction on a lake begins, because one may write to one attached database only.
SCRATCH = ("staging", "ref", "work")
# Inlining is off but for small tables: it makes large commits slow and puts rows in clear into the catalog.
_OPTIONS = {
    "data_inlining_row_limit": 0,
    "parquet_compression": "zstd",
    "parquet_row_group_size": 16384,
    "target_file_size": "64MB",
}


def connect(settings: Settings, *, read_only: bool = False, vault: bool = True):
    """A DuckDB connection with the lakes attached; schemas of `lake` (core.orders) need no prefix.

    read_only opens for reading (what `orderpipe sql`, the console and sensors use); vault=False leaves the vault,
    and with it all personal data, out of reach. Raises OrderpipeError when there is no lake yet.
    """
    if read_only:
        missing = [name for name in CATALOGS if (vault or name == "lake") and not _catalog(settings, name).exists()]
        if missing:
            raise OrderpipeError(
                "there is no lake here yet",
                where=str(settings.home.path),
                remedy="run `orderpipe up` or `orderpipe tick` first, or set ORDERPIPE_HOME",
            )
    else:
        _prepare(settings)
    import duckdb  # here, because whoever asks for the dictionary alone need not load an engine

    con = duckdb.connect(
        config={
            "threads": settings.threads,
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
        }
    )
    for extension in ("sqlite_scanner", "ducklake"):
        con.execute(f"LOAD '{_extension(extension)}'")
    # A parallel scan of the catalog opens one SQLite connection per thread, each with its own snapshot: a reader would
    # see a half state while a writer commits (docs/decisions/0010-one-snapshot-per-reader.md).
    con.execute("SET GLOBAL sqlite_disable_multithreaded_scans = true")
    con.execute("SET TimeZone = 'UTC'")
    con.execute("SET enable_progress_bar = false")
    for name in CATALOGS if vault else ("lake",):
        _attach(con, settings, name, read_only)
    con.execute("USE lake")
    if not read_only:
        _add_scratch(con)
    return con


def open_writer(settings: Settings):
    """A writer connection, the tables made or found as the dictionary says, and the keyed-hash functions ready."""
    con = connect(settings)
    with lease(settings.home.lock("writer"), "making tables"):
        _make_tables(con, settings.home.path / "making_tables")
    define_keyed(con, settings.pii_key)
    con.execute((ROOT / "sql" / "functions.sql").read_text("utf-8"))
    return con


def open_workbench(settings: Settings):
    """A reader of the lake that can compute: scratch schemas and the functions of the models, but no vault, no key
    and no way to write. What `orderpipe rules backtest` tries rules with, while ticks go on."""
    con = connect(settings, read_only=True, vault=False)
    _add_scratch(con)
    define_keyed(con, b"")  # some functions name it; nothing that is asked here hashes anything
    con.execute((ROOT / "sql" / "functions.sql").read_text("utf-8"))
    return con


def attach_vault(con, settings: Settings, name: str) -> None:
    """Attach another home's vault read-only under a name."""
    path, data = _quoted(_catalog(settings, "vault")), _quoted(data_dir(settings, "vault"))
    con.execute(f"ATTACH 'ducklake:sqlite:{path}' AS {name} (READ_ONLY, DATA_PATH '{data}/')")


@contextlib.contextmanager
def reader(settings: Settings, *, vault: bool = False) -> "Iterator[duckdb.DuckDBPyConnection]":
    """A read-only connection, closed at the end of the block; without the vault unless asked for."""
    con = connect(settings, read_only=True, vault=vault)
    try:
        yield con
    finally:
        con.close()


def define_keyed(con, key: bytes) -> None:
    """Define keyed(text): HMAC-SHA256 under the key from the environment, first 32 hex digits, null for null.

    The padded key is a session variable, so it stands in no SQL text, no log and no plan.
    """
    con.execute("SET VARIABLE pii_inner = $1::BLOB", [bytes(b ^ 0x36 for b in key.ljust(64, b"\0"))])
    con.execute("SET VARIABLE pii_outer = $1::BLOB", [bytes(b ^ 0x5C for b in key.ljust(64, b"\0"))])
    con.execute(
        """CREATE OR REPLACE TEMP MACRO keyed(value) AS
           left(sha256(getvariable('pii_outer') || unhex(sha256(getvariable('pii_inner') || encode(value)))), 32)"""
    )


def keyed(key: bytes, value: str) -> str:
    """What keyed(value) gives in SQL, in Python."""
    return hmac.new(key, value.encode(), "sha256").hexdigest()[:32]


def _extension(name: str) -> str:
    import duckdb

    package = importlib.resources.files(f"duckdb_extension_{name}")
    return str(package / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension")


def _catalog(settings: Settings, name: str) -> Path:
    return settings.home.path / name / "catalog.sqlite"


def data_dir(settings: Settings, name: str) -> Path:
    """The folder of a lake's Parquet files."""
    return settings.home.path / name / "data"


def _add_scratch(con) -> None:
    con.execute("ATTACH ':memory:' AS scratch")
    for schema in SCRATCH:
        con.execute(f"CREATE SCHEMA scratch.{schema}")
    con.execute(f"SET search_path = '{','.join(['lake.main', *(f'scratch.{schema}' for schema in SCRATCH)])}'")


def _prepare(settings: Settings) -> None:
    """Make the folders and set WAL on the catalogs: a rollback journal would let one reader block every tick."""
    settings.home.path.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name in CATALOGS:
        data_dir(settings, name).mkdir(parents=True, exist_ok=True, mode=0o700)
        catalog = _catalog(settings, name)
        if not catalog.exists():
            os.close(os.open(catalog, os.O_CREAT, 0o600))
        with contextlib.closing(sqlite3.connect(catalog, timeout=10)) as con:
            (mode,) = con.execute("PRAGMA journal_mode=WAL").fetchone()
        if mode != "wal":
            raise ConfigError(
                f"the catalog refuses WAL mode ({mode})", where=str(catalog), remedy="keep it on a local disk"
            )


def _attach(con, settings: Settings, name: str, read_only: bool) -> None:
    options = ["READ_ONLY"] if read_only else ["META_JOURNAL_MODE 'WAL'"]
    options += [f"DATA_PATH '{_quoted(data_dir(settings, name))}/'", "META_BUSY_TIMEOUT 10000"]
    con.execute(f"ATTACH 'ducklake:sqlite:{_quoted(_catalog(settings, name))}' AS {name} ({', '.join(options)})")
    (version,) = con.execute(f"SELECT value FROM {name}.options() WHERE option_name = 'version'").fetchone()
    if version != FORMAT:
        raise ConfigError(
            f"the lake has format {version}, this orderpipe reads {FORMAT}",
            where=str(_catalog(settings, name)),
            remedy="use the orderpipe that wrote it",
        )


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


def _make_tables(con, unfinished: Path) -> None:
    """Make the tables and columns that are missing. unfinished: a file that is there while tables are being made."""
    existing: dict[str, set[str]] = {}
    for table, column in con.execute(
        "SELECT concat_ws('.', database_name, schema_name, table_name), column_name FROM duckdb_columns()"
    ).fetchall():
        existing.setdefault(table, set()).add(column)
    wanted = dictionary.tables().values()
    for table in wanted:
        if table.full_name in existing and (gained := table.columns.keys() - existing[table.full_name]):
            _add_columns(con, table, gained)
    if unfinished.exists():  # killed in between
        _take_out_first_rows(con, [table for table in wanted if table.full_name in existing])
        unfinished.unlink()
    missing = [table for table in wanted if table.full_name not in existing]
    if not missing:
        return
    unfinished.touch(mode=0o600)
    for catalog in CATALOGS:
        for option, value in _OPTIONS.items():
            con.execute(f"CALL {catalog}.set_option('{option}', '{value}')")
    for catalog in CATALOGS:
        con.execute("BEGIN")
        new = [table for table in missing if table.catalog == catalog]
        _create(con, new)
        # A table that never held a row has no statistics, and every plan that names it asks the catalog for them again
        # (docs/decisions/0011-a-first-row.md).
        for table in new:
            con.execute(f"INSERT INTO {table.full_name} VALUES ({', '.join(['NULL'] * len(table.columns))})")
        con.execute("COMMIT")
    for table in missing:
        if table.small:  # a few rows a tick: kept in the catalog, so that a tick without change writes no data file
            con.execute(
                f"CALL {table.catalog}.set_option('data_inlining_row_limit', 1000, "
                f"schema => '{table.schema}', table_name => '{table.name.split('.')[1]}')"
            )
    _take_out_first_rows(con, missing)
    unfinished.unlink()


def _take_out_first_rows(con, tables: Collection[dictionary.Table]) -> None:
    for catalog in CATALOGS:
        con.execute("BEGIN")
        for table in (one for one in tables if one.catalog == catalog):
            con.execute(f'DELETE FROM {table.full_name} WHERE "{table.key[0]}" IS NULL')
        con.execute("COMMIT")


def _add_columns(con, table: dictionary.Table, gained: Collection[str]) -> None:
    """Columns that the dictionary gained since the table was made: null in the rows that are there, until their
    documents come again or are replayed."""
    con.execute("BEGIN")
    for name in (name for name in table.columns if name in gained):
        con.execute(f'ALTER TABLE {table.full_name} ADD COLUMN "{name}" {table.columns[name].type}')
        con.execute(f"COMMENT ON COLUMN {table.full_name}.\"{name}\" IS '{_text(table.columns[name].note)}'")
    con.execute("COMMIT")


def _create(con, missing: list[dictionary.Table]) -> None:
    for table in missing:
        con.execute(f"CREATE SCHEMA IF NOT EXISTS {table.catalog}.{table.schema}")
        columns = ", ".join(f'"{name}" {column.type}' for name, column in table.columns.items())
        con.execute(f"CREATE TABLE {table.full_name} ({columns})")
        con.execute(f"COMMENT ON TABLE {table.full_name} IS '{_text(f'{table.title}: {table.note} ({table.grain})')}'")
        for name, column in table.columns.items():
            con.execute(f"COMMENT ON COLUMN {table.full_name}.\"{name}\" IS '{_text(column.note)}'")
        if table.sort:
            con.execute(f"ALTER TABLE {table.full_name} SET SORTED BY ({', '.join(table.sort)})")
    if any(table.name == "core.order_versions" for table in missing):
        con.execute(
            """CREATE OR REPLACE MACRO lake.core.orders_as_of(ts) AS TABLE
               SELECT * FROM lake.core.order_versions WHERE known_at <= ts
               QUALIFY row_number() OVER (PARTITION BY order_id ORDER BY updated_at DESC, source_seq DESC) = 1"""
        )


def _text(value: str) -> str:
    return value.replace("'", "''")
