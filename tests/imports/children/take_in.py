"""Take in the inbox in a process of its own that is killed at a step. Given: path (of the office), place."""

import os
import signal
from pathlib import Path

from orderpipe.imports import importing, inbox
from tests.imports.conftest import Office


def dies(function, when, after=False):
    """The function, killing this process at its call number `when`, before or after it has done its work."""
    calls = []

    def killing(*arguments, **options):
        calls.append(1)
        if len(calls) == when and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = function(*arguments, **options)
        if len(calls) == when:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    return killing


importing.LAND_AT = 5
if place == "land":  # noqa: F821
    importing.stage_documents = dies(importing.stage_documents, 1)
elif place == "landed":  # noqa: F821
    importing.stage_documents = dies(importing.stage_documents, 3)
elif place == "filing":  # noqa: F821
    inbox.file_away = dies(inbox.file_away, 1)
elif place == "reported":  # noqa: F821
    inbox.write_private = dies(inbox.write_private, 2, after=True)
else:
    inbox.file_away = dies(inbox.file_away, 1, after=True)
inbox.take_in(Office(Path(path)).run)  # noqa: F821
