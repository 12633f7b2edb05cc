"""Sweeps: what no window saw is found by comparing with the platform's own list, pulled again, and written down."""

import json
from datetime import timedelta

from orderpipe import flow


def sweep(hub, hours=6):
    """A sweep and the decision after it, as the nightly job does; gives the lanes' results by shop and kind."""
    with flow.open_run(hub.settings, say=lambda text: None) as run:
        found = flow.sweep(run, run.started_at - timedelta(hours=hours))
        flow.decide(run, flow.swept(found, run))
    return {(lane.shop_id, lane.kind): lane for lane in found}


def test_an_order_the_platform_showed_too_late_is_found_pulled_and_told_of(hub):
    here = hub()
    here.sandbox.fault("taobao", "late_commit", times=2, seconds=3600)  # placed, and paid
    (late,) = here.sandbox.orders("taobao-hz", 1, state="paid", province="浙江省", skus=["CUP-500-BL"])
    here.sandbox.step(1200)
    here.tick()
    (prompt,) = here.sandbox.orders("taobao-hz", 1, state="paid", province="浙江省", skus=["CUP-500-BL"])
    here.sandbox.step(3600)
    here.tick()  # its window was closed an hour ago
    assert {row["platform_order_no"] for row in here.rows("FROM core.orders")} == {prompt}

    lane = sweep(here)["taobao-hz", "order"]
    assert [(gap.source_id, gap.missing) for gap in lane.gaps] == [(late, True)]
    assert (lane.landed, lane.unresolved) == (1, [])
    assert here.differences() == []
    (noted,) = here.rows("FROM vault.raw.sweeps WHERE shop_id = 'taobao-hz' AND kind = 'order'", vault=True)
    assert (noted["missing"], noted["stale"], noted["landed"], noted["unresolved"]) == (1, 0, 1, 0)
    texts = [json.loads(row["params"])["text"] for row in here.rows("FROM outbox.instructions WHERE kind = 'alert'")]
    assert any("漏单 1 条" in text and "taobao-hz" in text for text in texts)
    here.tick()
    assert here.owed() == set()

    again = sweep(here)["taobao-hz", "order"]
    assert (again.listed, again.gaps, again.landed) == (2, [], None)


def test_a_document_raw_holds_and_the_pool_refused_is_an_open_gap_with_its_fate(hub):
    here = hub()
    (number,) = here.sandbox.orders("taobao-hz", 1, state="paid")
    here.sandbox.fault("taobao", "missing_field", probability=1, match="fullinfo", field="created")
    here.sandbox.step(1200)
    here.tick()
    done = here.command("verify", "--repair", "--json")
    assert done.stdout, done.stderr
    lanes = {(lane["shop_id"], lane["kind"]): lane for lane in json.loads(done.stdout)}
    (gap,) = lanes["taobao-hz", "order"]["unresolved"]
    assert done.returncode == 1 and gap["source_id"] == number and gap["held"] is True
    assert "raw.quarantine" in here.command("verify", "--repair", COLUMNS="300").stdout
    here.sandbox.control("DELETE", "faults")
    assert here.command("verify", "--repair", "--json").returncode == 0
    assert [row["platform_order_no"] for row in here.rows("FROM core.orders")] == [number]


def test_a_shop_that_cannot_be_asked_is_told_of_and_the_others_are_swept(hub):
    here = hub()
    here.sandbox.orders("shopify-us", 2, state="paid")
    here.sandbox.orders("taobao-hz", 1, state="paid")
    here.sandbox.step(1200)
    here.tick()
    here.sandbox.control("POST", "credentials", shop="taobao-hz", do="revoke")
    found = sweep(here)
    for kind in ("order", "refund", "product"):
        assert "TAOBAO_REFRESH_TOKEN" in found["taobao-hz", kind].error
    assert found["shopify-us", "order"].listed == 2
    rows = here.rows("FROM vault.raw.sweeps WHERE error IS NOT NULL", vault=True)
    assert {row["shop_id"] for row in rows} == {"taobao-hz"} and all(row["unresolved"] is None for row in rows)
    texts = [json.loads(row["params"])["text"] for row in here.rows("FROM outbox.instructions WHERE kind = 'alert'")]
    assert sum("漏单巡检未完成" in text for text in texts) == 1
