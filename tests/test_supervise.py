"""Children that start together stop together, whatever they and their parent do."""

import os
import signal
import socket
import subprocess
import sys
import time

import psutil
import pytest

from orderpipe import supervise
from orderpipe.config import ROOT
from orderpipe.errors import OrderpipeError
from orderpipe.supervise import Stopped, Supervisor

# A child that answers HTTP, ignores SIGTERM, and has a child of its own that does the same.
STUBBORN = """
import http.server, os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    time.sleep(600)
print("here I am", flush=True)
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), http.server.SimpleHTTPRequestHandler).serve_forever()
"""


@pytest.fixture
def port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(children, tmp_path, port, program=STUBBORN):
    return children.start("child", [sys.executable, "-c", program, str(port)], env=os.environ, cwd=tmp_path, port=port)


def alive(group):
    members = []
    for process in psutil.process_iter():
        try:
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                members.append(process.pid)
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return members


def wait_for(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_child_that_ignores_the_request_to_stop_is_gone_with_its_own_children(tmp_path, port, monkeypatch):
    monkeypatch.setattr(supervise, "GRACE", 0.3)
    with Supervisor(tmp_path / "logs") as children:
        child = start(children, tmp_path, port)
        children.wait_until_ready(child, f"http://127.0.0.1:{port}/", 30)
        assert len(alive(child.process.pid)) == 2
    assert alive(child.process.pid) == [] and supervise.free(port)


def test_a_port_that_is_taken_is_named_before_anything_starts(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other, Supervisor(tmp_path / "logs") as children:
        taken = other.getsockname()[1]
        with pytest.raises(OrderpipeError, match=f"port {taken} is in use"):
            start(children, tmp_path, taken)


def test_a_child_that_dies_is_named_with_its_last_words(tmp_path, port):
    with Supervisor(tmp_path / "logs") as children:
        start(children, tmp_path, port, "import sys; sys.exit('no such goods file')")
        with pytest.raises(OrderpipeError, match=r"child: stopped by itself \(exit code 1\)[\s\S]*no such goods file"):
            children.watch()


def test_what_children_say_is_readable_by_the_owner_only(tmp_path, port, monkeypatch):
    monkeypatch.setattr(supervise, "GRACE", 0.3)
    with Supervisor(tmp_path / "logs") as children:
        child = start(children, tmp_path, port)
        children.wait_until_ready(child, f"http://127.0.0.1:{port}/", 30)
    assert "here I am" in child.log.read_text() and child.log.stat().st_mode & 0o077 == 0


def test_a_request_to_stop_ends_the_watch(tmp_path):
    with Supervisor(tmp_path / "logs") as children:
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(Stopped):
            children.sleep(30)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel tells a child of its parent's death on Linux only")
def test_even_a_killed_parent_leaves_no_child_behind(tmp_path, port):
    parent = """
import os, sys, pathlib
from orderpipe.supervise import Supervisor
with Supervisor(pathlib.Path(sys.argv[1])) as children:
    child = children.start("child", [sys.executable, "-c", "import time; time.sleep(600)"], env=os.environ,
                           cwd=pathlib.Path.cwd(), port=int(sys.argv[2]))
    print(child.process.pid, flush=True)
    children.sleep(600)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", parent, str(tmp_path), str(port)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    group = int(process.stdout.readline())
    process.kill()
    process.communicate()
    wait_for(lambda: not alive(group))
