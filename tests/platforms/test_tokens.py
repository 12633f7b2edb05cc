"""The token store: private, atomic, shared between processes."""

import json
import subprocess
import sys
import threading

import pytest

from orderpipe.errors import ConfigError
from orderpipe.platforms.tokens import Token, TokenStore, fingerprint

SECRET = "access-token-value"
REFRESH = "refresh-token-value"


def test_a_stored_token_is_there_for_the_next_process(tokens):
    tokens.set("taobao-hz", Token(SECRET, REFRESH))
    assert TokenStore(tokens.path).get("taobao-hz") == Token(SECRET, REFRESH)
    assert TokenStore(tokens.path).get("other-shop") is None


def test_only_the_owner_can_read_the_token_file(tokens):
    tokens.set("taobao-hz", Token(SECRET))
    tokens.set("shopify-us", Token(SECRET))
    assert tokens.path.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in tokens.path.parent.iterdir() if p.name.startswith(".")] == []


def test_a_newly_configured_session_makes_the_stored_one_void(tokens):
    tokens.set("taobao-hz", Token(SECRET, origin=fingerprint("old session")))
    assert tokens.get("taobao-hz", fingerprint("old session")) is not None
    assert tokens.get("taobao-hz", fingerprint("new session")) is None


def test_tokens_are_not_shown_when_printed(tokens):
    token = Token(SECRET, REFRESH)
    tokens.set("taobao-hz", token)
    shown = f"{token!r} {token} {tokens!r} {tokens.get('taobao-hz')!r}"
    assert SECRET not in shown and REFRESH not in shown


def test_a_damaged_token_file_is_reported_without_its_content(tokens):
    tokens.set("taobao-hz", Token(SECRET))
    tokens.path.write_text(tokens.path.read_text()[:-4] + SECRET)
    with pytest.raises(ConfigError, match="damaged") as caught:
        tokens.get("taobao-hz")
    assert SECRET not in str(caught.value) and str(tokens.path) in str(caught.value)


def test_a_failed_write_leaves_the_old_tokens_and_no_litter(tokens, monkeypatch):
    tokens.set("taobao-hz", Token(SECRET))

    def broken(*_):
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", broken)
    with pytest.raises(OSError, match="disk full"):
        tokens.set("taobao-hz", Token("newer"))
    monkeypatch.undo()
    assert tokens.get("taobao-hz") == Token(SECRET)
    assert json.loads(tokens.path.read_text())["taobao-hz"]["access_token"] == SECRET
    assert not [p for p in tokens.path.parent.iterdir() if p.name.startswith(".")]


def test_shops_written_at_the_same_time_do_not_overwrite_each_other(tokens):
    names = [f"shop-{number}" for number in range(12)]
    threads = [threading.Thread(target=tokens.set, args=(name, Token(name))) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(tokens.get(name) == Token(name) for name in names)


def test_another_process_waits_while_one_refreshes(tokens, tmp_path):
    """The second process can enter only after the first has left and sees what it stored."""
    program = (
        "import sys; from orderpipe.platforms.tokens import TokenStore\n"
        "store = TokenStore(sys.argv[1]); print('started', flush=True)\n"
        "with store.refreshing('taobao-hz'):\n"
        "    print(store.get('taobao-hz').access_token == 'new', flush=True)\n"
    )
    tokens.set("taobao-hz", Token("old"))
    with tokens.refreshing("taobao-hz"):
        other = subprocess.Popen([sys.executable, "-c", program, str(tokens.path)], stdout=subprocess.PIPE, text=True)
        assert other.stdout.readline() == "started\n"
        with pytest.raises(subprocess.TimeoutExpired):
            other.wait(0.3)
        tokens.set("taobao-hz", Token("new"))
    out, _ = other.communicate(timeout=20)
    assert out == "True\n"
