"""The spool: what receivers tell us, kept durably from the moment we say that we have it until it has landed.

A file each, under <home>/callbacks. They hold personal data in clear: only the owner may read them.
"""

import json
import os
import uuid
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from orderpipe.config import Settings
from orderpipe.errors import OrderpipeError
from orderpipe.private_files import sync, write_private

BAD = "bad"


@dataclass(frozen=True)
class Callback:
    """What came, once its signature was found right. sender: qimen or kuaidi100. method: Qimen's, without its prefix;
    empty for the courier. body: the text as it came. received_at: aware UTC."""

    sender: str
    method: str
    body: str
    received_at: datetime


def folder(settings: Settings) -> Path:
    """The spool, made when it is not there."""
    spool = settings.home.path / "callbacks"
    for path in (settings.home.path, spool, spool / BAD):
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    return spool


def keep(settings: Settings, callback: Callback) -> Path:
    """Write a callback down, durably when this returns: the file, its name, and the folder that lists it.

    Raises OSError when it cannot be kept; then the sender must be told so, and will repeat it.
    """
    spool = folder(settings)
    content = {
        "sender": callback.sender,
        "method": callback.method,
        "received_at": callback.received_at.isoformat(),
        "body": callback.body,
    }
    # In the order of arrival; two of one microsecond have names of their own.
    path = spool / f"{callback.received_at:%Y%m%dT%H%M%S%f}-{uuid.uuid4().hex[:12]}.json"
    write_private(path, json.dumps(content, ensure_ascii=False))
    sync(spool)
    return path


def waiting(settings: Settings) -> list[Path]:
    """The files that have not landed, oldest first. One that is still being written is none of them."""
    return sorted(folder(settings).glob("*.json"))


def read(path: Path) -> Callback:
    """A callback from its file. Raises OrderpipeError, quoting nothing of it, when it cannot be read."""
    try:
        content: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return Callback(
            str(content["sender"]),
            str(content["method"]),
            str(content["body"]),
            datetime.fromisoformat(content["received_at"]),
        )
    except (ValueError, KeyError, TypeError):
        raise OrderpipeError("not a spooled callback", where=path.name, remedy=f"look at it in {BAD}/") from None


def set_aside(settings: Settings, path: Path) -> None:
    """Move a file that cannot be read out of the way; it is kept until a person has looked."""
    spool = folder(settings)
    os.replace(path, spool / BAD / path.name)
    sync(spool / BAD)
    sync(spool)


def set_aside_names(settings: Settings) -> list[str]:
    """The files that were set aside and lie there still."""
    return sorted(path.name for path in (folder(settings) / BAD).iterdir())
