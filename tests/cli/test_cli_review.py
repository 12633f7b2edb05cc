"""Reviewing from the command line: what waits, why, and what a decision changes."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from orderpipe import config, flow
from orderpipe.lake.landing import PulledWindow, land

KEY = "5f" * 32
KNOWN = datetime(2026, 11, 9, 3, 0, tzinfo=UTC)
NEW = {"province": "广东省", "city": "深圳市", "district": "南山区", "address": "科技园路371号"}
SECRETS = ("王小明", "13812345678", "万达广场", "科技园路")
WHO = ("--by", "周敏", "--reason", "电话核实")


def trade(number: str, address: str) -> tuple[str, datetime, str]:
    """A paid Taobao order."""
    content = {
        "tid": int(number), "status": "WAIT_SELLER_SEND_GOODS", "created": "2026-11-09 10:00:00",
        "modified": "2026-11-09 10:05:00", "pay_time": "2026-11-09 10:01:00", "total_fee": "89.00", "payment": "89.00",
        "receiver_name": "王小明", "receiver_mobile": "13812345678", "receiver_state": "浙江省",
        "receiver_city": "杭州市", "receiver_district": "西湖区", "receiver_address": address,
        "orders": {"order": [{"oid": int(number + "01"), "outer_sku_id": "CUP-500-BL", "price": "89.00", "num": 1,
                              "divide_order_fee": "89.00"}]},
    }  # fmt: skip
    return number, KNOWN - timedelta(minutes=55), json.dumps(content, ensure_ascii=False)


@pytest.fixture(scope="module")
def desk(terminal):
    """A terminal on a home where 2001 … 2006 wait for a review and 2009 does not."""
    one = terminal(ORDERPIPE_PII_KEY=KEY)
    settings = config.Settings(config.Home(one.home), config.ROOT / "config", {"ORDERPIPE_PII_KEY": KEY})
    documents = [trade(f"200{n}", "万达广场附近") for n in range(1, 7)] + [trade("2009", "文三路88号")]
    window = PulledWindow("taobao", "taobao-hz", "order", KNOWN - timedelta(hours=1), KNOWN, 1, documents, 7, 1)
    with flow.open_run(settings, say=lambda text: None) as run:
        run.started_at = KNOWN
        with run.writing("landing"):
            land(run.lake, settings, [window], run_id=run.id, now=KNOWN)
        flow.pool(run)
        flow.decide(run)
    return one


def options(address):
    return [part for name, value in address.items() for part in (f"--{name}", value)]


def hold(desk, number):
    return desk.json("lookup", number)[0]["hold_status"]


def waiting(desk, *options):
    return {row["platform_order_no"]: row for row in desk.json("review", "list", *options)}


def test_the_list_tells_what_waits_since_when_and_why(desk):
    row = waiting(desk)["2006"]
    assert (row["rules"], row["state"], row["receiver_masked"]) == (["vague_address"], "open", "王**")
    assert row["waiting_minutes"] >= 0
    assert "2009" not in waiting(desk)
    assert waiting(desk, "--shop", "shopify-us") == {}
    printed = desk("review", "list")
    assert printed.returncode == 0 and "2006" in printed.stdout and "地址过于模糊" in printed.stdout
    assert not [secret for secret in SECRETS if secret in printed.stdout]


def test_an_order_is_shown_with_facts_and_history(desk):
    printed = desk("review", "show", "2006").stdout
    assert "address_score=100" in printed and "held_for_review" in printed and "only_landmark" in printed
    assert not [secret for secret in SECRETS if secret in printed]
    found = desk.json("review", "show", "2006")
    assert [flag["rule_id"] for flag in found["flags"]] == ["vague_address"]
    assert found["reviews"] == [] and found["customs"] is None


def test_a_dry_run_changes_nothing(desk):
    shown = desk.json("review", "approve", "2006", *WHO, "--dry-run")
    assert [flag["rule_id"] for flag in shown[0]["covers"]] == ["vague_address"]
    assert "would reject" in desk("review", "reject", "2006", *WHO, "--dry-run").stdout
    done = desk("review", "readdress", "2006", *WHO, "--dry-run", "--json", *options(NEW))
    assert done.returncode == 0 and not [secret for secret in SECRETS if secret in done.stdout]
    assert (hold(desk, "2006"), waiting(desk)["2006"]["state"]) == ("review", "open")


def test_approving_some_lets_them_go(desk):
    done = desk("review", "approve", "2001", str(desk.json("lookup", "2002")[0]["order_id"]), *WHO)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("free, ships from HZ") == 2
    assert (hold(desk, "2001"), hold(desk, "2002")) == (None, None)
    assert {"2001", "2002"} <= waiting(desk, "--all").keys() - waiting(desk).keys()


def test_nothing_is_approved_when_one_cannot_be(desk):
    done = desk("review", "approve", "2003", "2009", *WHO)
    assert done.returncode == 1 and "does not wait for a review" in done.stderr
    assert hold(desk, "2003") == "review"


def test_rejecting_holds_and_the_timeline_says_by_whom(desk):
    done = desk.json("review", "reject", "2003", *WHO)
    assert done[0]["hold_status"] == "rejected"
    events = desk.json("timeline", "2003")["events"]
    assert ("review_rejected", "周敏") in [(event["kind"], event["actor"]) for event in events]


def test_a_new_address_may_stay_out_of_the_shells_history(desk, tmp_path):
    path = tmp_path / "address.json"
    path.write_text(json.dumps(NEW, ensure_ascii=False), "utf-8")
    done = desk("review", "readdress", "2004", *WHO, "--from-json", str(path))
    assert done.returncode == 0, done.stderr
    assert (desk.json("lookup", "2004")[0]["city"], hold(desk, "2004")) == ("深圳市", None)
    given = desk.process("review", "readdress", "2005", *WHO, "--from-json", "-", given=path.read_text("utf-8"))
    assert given.returncode == 0, given.stderr
    assert desk.json("lookup", "2005")[0]["city"] == "深圳市"
    assert not [secret for secret in SECRETS if secret in done.stdout + given.stdout + given.stderr]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("approve", "4711", *WHO), "no order 4711"),
        (("approve", "2006", "--by", " ", "--reason", "x"), "who and why"),
        (("approve", "2006", *WHO, "--warehouse", "HZ"), "does not leave the country"),
        (("readdress", "2006", *WHO, "--province", "浙江省", "--address", "科技园路附近"), "lacks city, district"),
        (("readdress", "2006", *WHO, "--from-json", "/nowhere.json"), "cannot be read"),
        (("readdress", "2006", *WHO, *options(NEW), "--phone", "1"), "phone is no number"),
        (("readdress", "2006", *WHO, *options({**NEW, "address": "科技园路对面"})), "address is vague"),
        (("show", "4711"), "no order 4711"),
    ],
)  # fmt: skip
def test_what_is_refused_says_why_and_quotes_no_address(desk, arguments, says):
    done = desk("review", *arguments)
    assert done.returncode == 1 and says in done.stderr and "Traceback" not in done.stderr
    assert not [secret for secret in SECRETS if secret in done.stderr]
    assert hold(desk, "2006") == "review"


def test_who_and_why_must_be_given(desk):
    assert desk("review", "approve", "2006", "--by", "周敏").returncode == 2
