"""One tick in a process of its own. Given: environment."""

import os

os.environ.update(environment)  # noqa: F821

from orderpipe import config, flow

flow.tick(config.load())
