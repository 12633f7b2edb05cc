"""`orderpipe rules`: rules changed safely, and decisions explained."""

import json
from contextlib import contextmanager

import pytest

from orderpipe.lake import keyed, open_writer
from orderpipe.rules.purposes import NAMES

WHO = ("--by", "mei", "--reason", "autumn")


@pytest.fixture(scope="module")
def lived(ruled):
    """A home nobody changes."""
    return ruled()


def edit(settings, name, old, new, to=None):
    """Change a rule file (or write the changed text to another); its path."""
    path = settings.config_dir / "rules" / f"{name}.yaml"
    text = path.read_text("utf-8")
    assert old in text
    path = path.with_name(to) if to else path
    path.write_text(text.replace(old, new), "utf-8")
    return path


def line_of(path, text):
    (number,) = (n for n, line in enumerate(path.read_text("utf-8").splitlines(), 1) if text in line)
    return number


@contextmanager
def writer(settings):
    con = open_writer(settings)
    try:
        yield con
    finally:
        con.close()


def test_every_shipped_file_passes_check_and_test(lived):
    orderpipe, _ = lived
    assert [entry["name"] for entry in orderpipe.json("rules", "check") if entry["ok"]] == list(NAMES)
    tested = orderpipe.json("rules", "test")
    assert all(entry["examples"] and not entry["failures"] and not entry["untested"] for entry in tested)
    assert "examples hold" in orderpipe("rules", "test", "routing").stdout


def test_a_problem_is_one_line_with_file_line_and_remedy(lived):
    orderpipe, settings = lived
    path = edit(settings, "routing", "then: {warehouse: FS}", "then: {warehouse: FX}", to="routing-broken.yaml")
    done = orderpipe("rules", "check", str(path), "risk")
    assert done.returncode == 1
    problem, fine = done.stdout.splitlines()
    assert problem.startswith(f"{path}:{line_of(path, 'FX')}, rule fragile: unknown warehouse 'FX' — allowed: FS, HZ, ")
    assert fine.startswith("ok: ")
    assert [entry["ok"] for entry in orderpipe.json("rules", "check", str(path), "risk", exit_code=1)] == [False, True]


def test_a_failed_example_names_the_rules_that_decided_and_why(lived):
    orderpipe, settings = lived
    path = edit(settings, "routing", "{any_glass: {eq: false}}]}", "{any_glass: {eq: true}}]}", to="routing-odd.yaml")
    done = orderpipe("rules", "test", str(path))
    assert done.returncode == 1
    line = line_of(path, "region: 华东, unknown_goods: true, any_fragile: true")
    assert f"{path}:{line}" not in done.stdout, "this example still holds"
    line = line_of(path, "province: 浙江省, region: 华东, any_fragile: false, any_glass: false}")
    assert f"{path}:{line}: expected east_no_glass, decided by everything_else" in done.stdout
    assert "大区 等于 华东 且 含玻璃制品 等于 是" in done.stdout
    path = edit(settings, "gifts", "{segment: {eq: vip}}", "{segment: {eq: regular}}", to="gifts_odd.yaml")
    (tested,) = orderpipe.json("rules", "test", str(path), exit_code=1)
    assert [(failure["expected"], failure["found"]) for failure in tested["failures"]] == [
        (["spent_1000"], ["spent_1000", "vip"]), (["vip"], ["unmatched"])
    ]  # fmt: skip


def test_the_rules_in_force_are_shown_as_a_file_of_the_same_version(lived):
    orderpipe, settings = lived
    for name in NAMES:
        path = settings.config_dir / "rules" / f"{name}-shown.yaml"
        path.write_text(orderpipe("rules", "show", name).stdout, "utf-8")
        (checked,) = orderpipe.json("rules", "check", str(path))
        (newest,) = orderpipe.json("rules", "history", name)
        assert checked["version"] == newest["rule_version"] and newest["note"] == "as shipped"
        assert orderpipe.json("rules", "diff", name, "--from", str(path)) == []


def test_fields_and_schema_know_this_configuration(lived):
    orderpipe, _ = lived
    facts = orderpipe.json("rules", "fields", "customs")
    assert {"dest_country", "hs_code"} <= {fact["name"] for fact in facts["facts"]}
    assert "收货国家" in orderpipe("rules", "fields", "risk").stdout
    schema = json.loads(orderpipe("rules", "schema", "routing").stdout)
    assert schema["$defs"]["rule"]["properties"]["then"]["properties"]["warehouse"]["enum"] == [
        "FS", "HZ", "cross_border_review"
    ]  # fmt: skip


def test_a_change_is_in_force_only_once_it_is_activated_and_can_be_taken_back(ruled):
    orderpipe, settings = ruled()
    (shipped,) = orderpipe.json("rules", "history", "routing")
    edit(settings, "routing", "{warehouse: HZ, fallback: FS}\n    note: 华东", "{warehouse: FS}\n    note: 华东")

    def ships_from():
        """Where 2001 ships from after another tick; no shop can be reached, and the rest of the tick goes on."""
        orderpipe("tick", "--no-send", "--json")
        query = "SELECT r.warehouse_id FROM decision.routes r JOIN core.orders o USING (order_id)"
        return orderpipe.json("sql", f"{query} WHERE platform_order_no = '2001'")[0]["warehouse_id"]

    assert ships_from() == "HZ", "an edit alone changes nothing"
    (found,) = orderpipe.json("rules", "diff", "routing")
    assert found == {
        "kind": "then", "name": "east_no_glass", "before": "{warehouse: HZ, fallback: FS}", "after": "{warehouse: FS}"
    }  # fmt: skip
    assert "changes that are not in force" in orderpipe("doctor").stdout
    dry = orderpipe("rules", "activate", "routing", "risk", *WHO, "--dry-run")
    assert "would come into force, instead of " + shipped["rule_version"] in dry.stdout
    assert len(orderpipe.json("rules", "history", "routing")) == 1

    done = orderpipe.json("rules", "activate", "routing", "risk", *WHO)
    assert [(change["name"], change["activated"]) for change in done] == [("routing", True), ("risk", False)]
    assert ships_from() == "FS"
    newest, before = orderpipe.json("rules", "history", "routing")
    assert (newest["actor"], newest["note"], newest["number"], before) == ("mei", "autumn", 2, shipped)
    assert orderpipe.json("rules", "diff", "routing") == []
    assert [d["after"] for d in orderpipe.json("rules", "diff", "routing", "--from", shipped["rule_version"][:6])] == [
        "{warehouse: FS}"
    ]

    assert "would come into force" in orderpipe("rules", "rollback", "routing", *WHO, "--dry-run").stdout
    assert "is in force from the next decision on" in orderpipe("rules", "rollback", "routing", *WHO).stdout
    history = orderpipe.json("rules", "history", "routing")
    versions = [shipped["rule_version"], newest["rule_version"], shipped["rule_version"]]
    assert [one["rule_version"] for one in history] == versions
    assert ships_from() == "HZ"
    assert "not in force" in orderpipe("doctor").stdout, "the file still has the change"
    back = orderpipe.json("rules", "rollback", "routing", *WHO, "--to", newest["rule_version"])
    assert (back[0]["after"], back[0]["activated"]) == (newest["rule_version"], True)


def test_an_activation_is_refused_whole_and_says_why(lived):
    orderpipe, settings = lived
    odd = edit(settings, "risk", "30d: 4}, rules: [same", "30d: 2}, rules: [same", to="risk-odd.yaml")
    new = edit(settings, "stock", "suspend_at: 5", "suspend_at: 4", to="stock-new.yaml")
    for arguments, says in (
        ((str(new), str(odd), *WHO), "expected rule same_id_number, decided by unmatched"),
        ((str(new), "stock", *WHO), "two files are for the same rules"),
        (("stok", *WHO), "no rules called stok"),
        ((str(new), "--by", " ", "--reason", "x"), "who and why are missing"),
        ((str(new), "--by", "mei", "--reason", ""), "who and why are missing"),
        ((str(settings.config_dir / "goods.csv"), *WHO), "begin its name with"),
    ):
        done = orderpipe("rules", "activate", *arguments)
        assert done.returncode == 1 and says in done.stderr, done.stderr
    assert orderpipe("rules", "activate", str(new), "--by", "mei").returncode == 2
    assert {one["note"] for one in orderpipe.json("rules", "history")} == {"as shipped"}
    assert "no earlier version" in orderpipe("rules", "rollback", "gifts", *WHO).stderr
    unknown = orderpipe("rules", "show", "gifts", "--version", "feed")
    assert "no versions of the gifts rules begin with feed" in unknown.stderr


def test_rules_that_cannot_be_read_any_more_can_be_replaced(ruled):
    orderpipe, settings = ruled()
    with writer(settings) as con:
        con.execute(
            """UPDATE lake.decision.rule_versions SET rules = replace(rules::VARCHAR, '"segment"', '"rank"')::JSON
               WHERE purpose = 'gifts'"""
        )
    assert "'rank', which is no fact any more" in orderpipe("rules", "show", "gifts").stderr
    edit(settings, "gifts", "gte: 1000", "gte: 999")
    done = orderpipe("rules", "activate", "gifts", *WHO)
    assert done.returncode == 0 and "no difference can be told" in done.stdout
    assert orderpipe("rules", "show", "gifts").returncode == 0


def test_an_order_is_explained_in_words(lived):
    orderpipe, _ = lived
    told = orderpipe("rules", "explain", "2002")
    assert told.returncode == 0
    for words in (
        "分仓 routes", "fragile → warehouse FS", "易碎品及玻璃制品由佛山仓发出", "orderpipe: as shipped", "大区 华东",
        "含玻璃制品 等于 是", "赠品 gifts", "gift GIFT-COASTER, quantity 1, tier amount", "发货时效 ship_by",
    ):  # fmt: skip
        assert words in told.stdout, words
    assert "DOES NOT" not in told.stdout
    explained = orderpipe.json("rules", "explain", "2003")
    assert {one["rule_id"] for one in explained["decisions"] if one["table"] == "risk_flags"} == {"vague_address"}
    assert explained["order"]["hold_status"]
    (route,) = (one for one in explained["decisions"] if one["table"] == "routes")
    assert (route["steps"][0]["rule"], route["steps"][0]["holds"]) == ("overseas", False)
    assert "no order 9999" in orderpipe("rules", "explain", "9999").stderr


def test_every_stored_decision_derives_again(lived):
    orderpipe, _ = lived
    found = {one["table"]: one for one in orderpipe.json("rules", "verify")}
    assert (found["routes"]["rows"], found["ship_by"]["rows"], found["risk_flags"]["rows"]) == (3, 3, 1)
    assert found["gifts"]["rows"] >= 1 and not any(one["differing"] for one in found.values())


TAMPERED = {
    "routes": ("warehouse_id = 'XX'", "warehouse is XX, the rule says HZ", 2),
    "ship_by": ("warn_at = warn_at + INTERVAL 2 HOUR", "warn_hours is 4, the rule says 6", 3),
    "risk_flags": ("action = 'flag'", "action is flag, the rule says review", 1),
    "gifts": ("quantity = 7", "quantity is 7, the rule says 1", 1),
}


@pytest.fixture(scope="module")
def spoilt(ruled):
    """A home whose tables were changed by hand, each in another way."""
    orderpipe, settings = ruled()
    with writer(settings) as con:
        for table, (change, _, _) in TAMPERED.items():
            which = {"routes": "rule_id = 'east_no_glass'", "gifts": "rule_id = 'spent_300'"}.get(table, "true")
            con.execute(f"UPDATE lake.decision.{table} SET {change} WHERE {which}")
        con.execute(
            """UPDATE lake.decision.routes
               SET facts = replace(facts::VARCHAR, '"any_glass":true', '"any_glass":false')::JSON
               WHERE rule_id = 'fragile'"""
        )
    return orderpipe


@pytest.mark.parametrize("table", TAMPERED)
def test_a_decision_that_does_not_derive_again_is_listed(spoilt, table):
    found = {one["table"]: one for one in spoilt.json("rules", "verify", exit_code=1)}
    _, says, rows = TAMPERED[table]
    told = [problem for _, problem in found[table]["listed"]]
    assert told.count(says) == rows
    assert "stored as fragile, derives as east_no_glass" in [problem for _, problem in found["routes"]["listed"]]
    assert found[table]["differing"] == len(told)


def test_an_explanation_says_loudly_what_does_not_derive_again(spoilt):
    told = spoilt("rules", "explain", "2002")
    assert told.returncode == 1
    assert "DOES NOT DERIVE AGAIN: stored as fragile, derives as east_no_glass" in told.stdout


def test_a_blacklist_key_is_the_one_of_the_orders_and_is_never_an_argument(lived):
    orderpipe, settings = lived
    (order,) = orderpipe.json("sql", "SELECT phone_key FROM core.orders WHERE platform_order_no = '2001'")
    for written in ("13812345678", "+86 138-1234-5678", "１３８１２３４５６７８\n"):
        done = orderpipe.process("rules", "blacklist-key", "phone", given=written)
        assert done.stdout.strip() == order["phone_key"]
    done = orderpipe.process("rules", "blacklist-key", "id", given=" 11010119900307123x ")
    assert done.stdout.strip() == keyed(settings.pii_key, "11010119900307123X")
    for kind, written in (("phone", "138****5678"), ("phone", ""), ("id", "1101**********123X"), ("address", "x")):
        done = orderpipe.process("rules", "blacklist-key", kind, given=written)
        assert done.returncode == 1 and "—" in done.stderr
        assert not written or written not in done.stdout + done.stderr.replace("address", "")
    assert orderpipe("rules", "blacklist-key", "phone", "13812345678").returncode == 2


def test_a_backtest_says_what_would_move_and_at_what_cost_and_writes_nothing(lived):
    orderpipe, settings = lived
    path = edit(settings, "routing", "[{any_fragile: {eq: true}}, {any_glass: {eq: true}}]}\n    then: {warehouse: FS}",
                "[{any_fragile: {eq: true}}, {any_glass: {eq: true}}]}\n    then: {warehouse: HZ}",
                to="routing-near.yaml")  # fmt: skip
    text = path.read_text("utf-8").split("\nexamples:")[0]
    path.write_text(text, "utf-8")
    period = ("--from", "2026-11-09T00:00:00", "--to", "2026-11-10T00:00:00")
    found = orderpipe.json("rules", "backtest", str(path), *period)
    assert (found["rows"], found["changed"], found["moves"]) == (3, 1, [["FS", "HZ", 1]])
    (moved,) = found["listed"]
    assert (moved["platform_order_no"], moved["before"], moved["after"]) == ("2002", "FS", "HZ")
    freight = next(total for total in found["totals"] if total["name"].startswith("运费"))
    assert freight["before"] != freight["after"]
    told = orderpipe("rules", "backtest", str(path), *period)
    assert told.returncode == 0 and "1 of 3 would be judged otherwise" in told.stdout
    assert orderpipe.json("rules", "backtest", "routing", *period)["changed"] == 0
    decisions = orderpipe.json("rules", "explain", "2002")["decisions"]
    decided = {one["table"].removeprefix("decision."): one for one in decisions}
    assert decided["routes"]["rule_id"] == "fragile"
    wrong = orderpipe("rules", "backtest", "routing", "--from", period[3], "--to", period[1])
    assert wrong.returncode == 1 and "ends before it begins" in wrong.stderr
