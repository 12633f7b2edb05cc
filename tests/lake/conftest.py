"""A real lake in a temporary folder; module-wide where tests do not get in each other's way."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orderpipe import config
from orderpipe.lake import open_writer

KEY = "5f" * 32


@pytest.fixture(scope="module")
def new_settings(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], config.Settings]:
    """Settings of a new, empty home; the environment plays no part."""

    def make() -> config.Settings:
        home = config.Home(tmp_path_factory.mktemp("home") / "home")
        return config.Settings(home, config.ROOT / "config", {"ORDERPIPE_PII_KEY": KEY})

    return make


@pytest.fixture(scope="module")
def settings(new_settings) -> config.Settings:
    """The module's own home."""
    return new_settings()


@pytest.fixture(scope="module")
def con(settings: config.Settings) -> Iterator:
    """A writer connection on the module's home."""
    connection = open_writer(settings)
    yield connection
    connection.close()


@pytest.fixture
def holder(tmp_path: Path) -> Path:
    """A path for a lease."""
    return tmp_path / "writer.lock"
