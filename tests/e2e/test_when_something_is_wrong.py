"""Wrong secret, missing variable, dead platform, broken page, unknown status: said plainly, healed by the next tick."""

import pytest


def _healed(hub) -> None:
    hub.sandbox.step(600)
    report = hub.tick()
    assert report.problems == []
    assert hub.differences() == []


def _open_windows(hub, shop: str) -> int:
    return hub.value(
        f"SELECT count(*) FROM vault.raw.pull_windows WHERE status = 'open' AND shop_id = '{shop}'", vault=True
    )


@pytest.fixture
def living(hub):
    hub = hub(seed=31, history=2, orders_per_hour=30)
    assert hub.tick().problems == []
    hub.sandbox.step(900)
    return hub


@pytest.mark.parametrize(
    ("shop", "other", "variable"),
    [("taobao-hz", "shopify-us", "TAOBAO_APP_SECRET"), ("shopify-us", "taobao-hz", "SHOPIFY_CLIENT_SECRET")],
)
def test_a_wrong_secret_stops_only_its_shop_and_names_it(living, shop, other, variable):
    (living.home / "tokens.json").unlink(missing_ok=True)
    done = living.command("tick", **{variable: "wrong-secret"})
    assert done.returncode == 1
    problems = [line for line in done.stdout.splitlines() if line.startswith("problem")]
    assert problems and all(shop in line and " — " in line for line in problems), done.stdout
    assert "wrong-secret" not in done.stdout + done.stderr
    assert _open_windows(living, shop) > 0
    assert _open_windows(living, other) == 0
    _healed(living)
    assert _open_windows(living, shop) == 0


@pytest.mark.long
def test_a_shop_that_stays_behind_is_told_to_the_group_once_a_day_with_the_remedy(living):
    for _ in range(4):
        living.command("tick", TAOBAO_APP_SECRET="wrong-secret")
        living.sandbox.step(600)
    told = [message for message in living.sandbox.receipts()["dingtalk"] if "taobao-hz" in message["body"]]
    assert len(told) == 1
    assert "TAOBAO_APP_SECRET" in told[0]["body"]
    assert "wrong-secret" not in told[0]["body"]
    _healed(living)


def test_a_missing_variable_is_named_with_its_shop(living):
    done = living.command("tick", SHOPIFY_CLIENT_SECRET=None)
    assert done.returncode == 1
    assert "SHOPIFY_CLIENT_SECRET is not set" in done.stdout
    assert "shopify-us" in done.stdout
    _healed(living)


def test_a_missing_key_stops_everything_with_a_remedy(living):
    done = living.command("tick", ORDERPIPE_PII_KEY=None)
    assert done.returncode == 1
    assert "ORDERPIPE_PII_KEY is not set" in done.stderr
    assert "doctor --init" in done.stderr


def test_a_dead_platform_is_reported_and_caught_up_with(living):
    done = living.command("tick", ORDERPIPE_SANDBOX_URL="http://127.0.0.1:9")
    assert done.returncode == 1
    for shop in ("taobao-hz", "shopify-us"):
        assert any(shop in line and " — " in line for line in done.stdout.splitlines() if line.startswith("problem"))
        assert _open_windows(living, shop) > 0
    _healed(living)


@pytest.mark.long
@pytest.mark.parametrize(("kind", "where"), [("truncated_body", "shopify"), ("malformed_json", "taobao")])
def test_a_broken_page_keeps_the_window_open_until_it_reads_well(living, where, kind):
    shop = {"taobao": "taobao-hz", "shopify": "shopify-us"}[where]
    living.sandbox.fault(where, kind, times=1000)
    report = living.tick()
    assert report.problems and all(shop in problem for problem in report.problems)
    assert _open_windows(living, shop) > 0
    living.sandbox.control("DELETE", "faults")
    _healed(living)


@pytest.mark.parametrize("shop", ["taobao-hz", "shopify-us"])
def test_an_unknown_status_is_kept_held_and_alerted(living, shop):
    (order,) = living.sandbox.orders(shop, state="paid", country="CN")
    living.sandbox.control("POST", f"orders/{order}/status", platform_status="BRAND_NEW_STATUS")
    living.sandbox.step(900)
    report = living.tick()
    row = living.rows(
        f"SELECT status, platform_status, hold_status FROM core.orders WHERE platform_order_no = '{order}'"
    )[0]
    assert row["status"] == "unknown"
    assert "BRAND_NEW_STATUS" in row["platform_status"]
    assert any("BRAND_NEW_STATUS" in value for value in report.pool.unknown)
    messages = str(living.sandbox.receipts()["dingtalk"])
    assert "BRAND_NEW_STATUS" in messages
    sent = living.value(
        f"""SELECT count(*) FROM outbox.instructions i JOIN core.orders o USING (order_id)
            WHERE o.platform_order_no = '{order}' AND i.attempts > 0""")  # fmt: skip
    assert sent == 0


def test_a_document_without_its_keys_is_quarantined_and_the_others_go_on(living):
    living.sandbox.fault("taobao", "missing_field", times=1, match="fullinfo", field="created")
    report = living.tick()
    assert report.pool.quarantined == 1
    assert report.pool.pooled > 0
    row = living.rows("FROM vault.raw.quarantine", vault=True)[0]
    assert row["reason"] and row["resolved_at"] is None
    assert all(check.ok for check in report.checks)
