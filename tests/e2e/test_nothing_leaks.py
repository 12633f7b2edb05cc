"""Personal data in clear is in the vault and nowhere else."""

import json
import sqlite3
import stat

from orderpipe.lake import dictionary, reader


def _planted(sandbox) -> set[str]:
    """Every phone, name, address, id number, IP, e-mail address and receiver token of this world."""
    return {value for values in sandbox.personal().values() for value in values if len(value) > 1}


def _found(planted: set[str], text: str) -> set[str]:
    return {value for value in planted if value in text}


def test_a_scan_of_the_lake_the_outputs_and_the_errors_finds_no_planted_personal_data(hub):
    hub = hub(seed=21, history=3, orders_per_hour=60, pace=4)
    spoken = []
    for where, kind in (("taobao", "truncated_body"), ("shopify", "malformed_json"), ("taobao", "missing_field"),
                        ("qimen", "http_500"), ("kuaidi100", "business_busy")):  # fmt: skip
        hub.sandbox.fault(where, kind, times=2)
        done = hub.command("tick")
        spoken += [done.stdout, done.stderr]
        hub.sandbox.step(600)
    someone = hub.rows("SELECT platform_order_no, order_id FROM core.orders LIMIT 1")[0]
    phone = next(iter(hub.sandbox.personal()["phones"]))
    for arguments in (("tick", "--json"), ("lookup", someone["platform_order_no"]), ("lookup", phone, "--json"),
                      ("timeline", str(someone["order_id"]), "--json"), ("verify", "--json"), ("doctor",),
                      ("sql", "--json", "FROM core.orders")):  # fmt: skip
        done = hub.command(*arguments)
        spoken += [done.stdout, done.stderr]
    planted = _planted(hub.sandbox)
    assert len(planted) > 1000

    vault = "\n".join(
        row["text"] for row in hub.rows("SELECT to_json(c)::VARCHAR AS text FROM vault.pii.contacts c", vault=True)
    )
    assert len(_found(planted, vault)) > 500, "the scan would find it where it is"
    with reader(hub.settings) as con:
        for name, table in dictionary.tables().items():
            if table.catalog == "lake":
                rows = con.execute(f"SELECT to_json(t)::VARCHAR FROM {name} t").fetchall()
                assert _found(planted, "\n".join(text for (text,) in rows)) == set(), name
    assert _found(planted - {phone}, "\n".join(spoken)) == set()
    catalog = sqlite3.connect(hub.home / "lake" / "catalog.sqlite")
    assert _found(planted, "\n".join(catalog.iterdump())) == set(), "statistics of the lake's catalog"


def test_secrets_are_in_no_output(hub):
    hub = hub(seed=22, history=1)
    hub.sandbox.fault("taobao", "expired_token", times=1)
    spoken = "".join(
        done.stdout + done.stderr
        for done in (hub.command("tick"), hub.command("tick", "--json"), hub.command("doctor"))
    )
    for name, secret in hub.sandbox.credentials.items():
        if name.endswith(("SECRET", "SESSION", "REFRESH_TOKEN", "ACCESS_TOKEN", "KEY")):
            assert secret not in spoken, name
    assert hub.env["ORDERPIPE_PII_KEY"] not in spoken
    tokens = json.loads((hub.home / "tokens.json").read_text())
    assert tokens
    assert not any(
        value in spoken
        for token in tokens.values()
        for value in token.values()
        if isinstance(value, str) and len(value) > 8
    )


def test_only_the_owner_can_read_the_home(hub):
    hub = hub(seed=23, history=1)
    assert hub.command("tick").returncode == 0
    assert stat.S_IMODE(hub.home.stat().st_mode) == 0o700
    readable = [path for path in hub.home.rglob("*") if path.is_file() and path.stat().st_mode & 0o077]
    assert readable == []
