import secrets
from datetime import UTC, datetime, timedelta

import pytest
from dagster import DagsterInstance

from orderpipe import config, lake


@pytest.fixture
def instance():
    """A Dagster instance that leaves nothing behind."""
    with DagsterInstance.local_temp() as instance:
        yield instance


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty ORDERPIPE_HOME with its key, as `orderpipe up` would make it."""
    monkeypatch.setenv("ORDERPIPE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ORDERPIPE_PII_KEY", secrets.token_hex(32))
    return tmp_path / "home"


@pytest.fixture
def world(sandbox, home, configured, monkeypatch):
    """A stepped sandbox with two shops that this process's configuration points at."""
    world = sandbox()
    monkeypatch.setenv("ORDERPIPE_CONFIG", str(configured("taobao-hz", "shopify-us")))
    monkeypatch.setenv("ORDERPIPE_SANDBOX_URL", world.url)
    monkeypatch.setenv("ORDERPIPE_CLOCK", f"{world.url}/_control/clock")
    for name, value in world.credentials.items():
        monkeypatch.setenv(name, value)
    return world


@pytest.fixture
def run_job(instance):
    """Runs a job of the code location in this process, as a run worker would: run_job(name, run_config=None)."""
    from definitions import defs

    def run(name, run_config=None):
        job = defs.resolve_job_def(name)
        return job.execute_in_process(instance=instance, run_config=run_config, raise_on_error=False)

    return run


@pytest.fixture
def outbox(home):
    """A lake whose outbox the test fills: add(id, status, due in seconds, attempts)."""
    con = lake.open_writer(config.load())

    def add(instruction_id, status="pending", due_in=-1, attempts=0, target="wms"):
        con.execute(
            """INSERT INTO lake.outbox.instructions BY NAME
               SELECT $id AS instruction_id, $id AS idempotency_key, 'pick_order' AS kind, $target AS target,
                      $status AS status, $due::TIMESTAMPTZ AS due_at, $attempts AS attempts""",
            {
                "id": instruction_id,
                "target": target,
                "status": status,
                "due": datetime.now(UTC) + timedelta(seconds=due_in),
                "attempts": attempts,
            },
        )

    add.con = con
    yield add
    con.close()
