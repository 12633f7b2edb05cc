"""`orderpipe sql`: read-only queries and a small shell on the lake. The vault is not attached."""

import json
import sys

import duckdb
import typer

from orderpipe.config import Settings
from orderpipe.errors import OrderpipeError
from orderpipe.lake import reader

_SHOWN = 200


def run_query(settings: Settings, query: str, as_json: bool) -> None:
    """Run one query and print its rows. Raises OrderpipeError with DuckDB's message when it is wrong."""
    with reader(settings) as con:
        _run(con, query, as_json)


def shell(settings: Settings) -> None:
    """Read statements ending in ; until end of input; an error does not end the shell."""
    with reader(settings) as con:
        typer.echo("orderpipe sql: read-only, statements end with ;  SHOW ALL TABLES; lists tables, Ctrl-D leaves")
        pending: list[str] = []
        while True:
            try:
                pending.append(input("lake> " if not pending else "   …> "))
            except EOFError:
                typer.echo()
                return
            except KeyboardInterrupt:
                pending.clear()
                typer.echo()
                continue
            if pending[-1].rstrip().endswith(";"):
                try:
                    _run(con, "\n".join(pending), False)
                except OrderpipeError as error:
                    typer.echo(str(error), err=True)
                pending.clear()


def _run(con, query: str, as_json: bool) -> None:
    try:
        cursor = con.execute(query)
        names = [column[0] for column in cursor.description or []]
        if as_json:
            rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
            typer.echo(json.dumps(rows, ensure_ascii=False, indent=2, default=str))
            return
        rows = cursor.fetchmany(_SHOWN + 1)
    except duckdb.Error as error:
        raise OrderpipeError(str(error), remedy="`orderpipe sql 'SHOW ALL TABLES'` lists what there is") from None
    from orderpipe.cli_output import print_table

    print_table(names, rows[:_SHOWN])
    if len(rows) > _SHOWN:
        typer.echo(f"… only the first {_SHOWN} rows are shown; use LIMIT, or --json for all", err=True)
    sys.stdout.flush()
