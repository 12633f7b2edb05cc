"""Tables are made with a row that goes again: nobody ever finds it, whatever dies in between."""

import pytest

from orderpipe import config
from orderpipe.lake import connection, open_writer


def counts(con):
    tables = con.execute(
        """SELECT concat_ws('.', database_name, schema_name, table_name) FROM duckdb_tables()
           WHERE database_name IN ('vault', 'lake')"""
    ).fetchall()
    assert len(tables) > 50
    return {name: con.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for (name,) in tables}


@pytest.mark.parametrize("killed", [False, True])
def test_a_new_home_is_empty_even_when_making_it_was_cut_short(tmp_path, monkeypatch, killed):
    settings = config.Settings(config.Home(tmp_path / "home"), config.ROOT / "config", {"ORDERPIPE_PII_KEY": "5f" * 32})
    if killed:

        class Killed(BaseException):
            pass

        def die(*_):
            raise Killed

        with monkeypatch.context() as patch:
            patch.setattr(connection, "_take_out_first_rows", die)
            with pytest.raises(Killed):
                open_writer(settings)
    con = open_writer(settings)
    assert set(counts(con).values()) == {0}
    assert not (settings.home.path / "making_tables").exists()
    # What the row leaves behind is the point of it: statistics to plan with.
    for lake in ("vault", "lake"):
        (known,) = con.execute(f"SELECT count(*) FROM __ducklake_metadata_{lake}.ducklake_table_stats").fetchone()
        (tables,) = con.execute(
            f"SELECT count(*) FROM __ducklake_metadata_{lake}.ducklake_table WHERE end_snapshot IS NULL"
        ).fetchone()
        assert known == tables
    con.close()
