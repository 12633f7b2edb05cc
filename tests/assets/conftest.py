import secrets

import pytest
from dagster import DagsterInstance


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
