"""Access tokens that change at run time: one 0600 file, written before a new token is first used."""

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import msgspec
from filelock import FileLock, Timeout

from orderpipe.errors import ConfigError, Unavailable


@dataclass(frozen=True)
class Token:
    """A token pair of one shop. expires_at: aware UTC, where the platform says. origin: fingerprint of the
    configured credentials it grew out of; when an operator configures new ones, the stored pair is void."""

    access_token: str = field(repr=False)
    refresh_token: str = field(default="", repr=False)
    expires_at: datetime | None = None
    origin: str = ""


def fingerprint(*secrets: str) -> str:
    """A short name for a set of configured credentials that tells nothing about them."""
    return hashlib.sha256("\0".join(secrets).encode()).hexdigest()[:16]


class TokenStore:
    """Tokens by shop id in one JSON file, safe between threads and processes. Values never reach a log or a repr."""

    def __init__(self, path: str | Path):
        self.path = Path(path)

    def __repr__(self) -> str:
        return f"TokenStore({str(self.path)!r})"

    def get(self, shop_id: str, origin: str = "") -> Token | None:
        """The stored token that grew out of the credentials with this fingerprint, if there is one."""
        token = self._read().get(shop_id)
        return token if token is not None and token.origin == origin else None

    def set(self, shop_id: str, token: Token) -> None:
        """Store a token; when this returns, it survives a crash of the process and of the machine."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._lock("write", shop_id):
            self._write({**self._read(), shop_id: token})

    def refreshing(self, shop_id: str) -> contextlib.AbstractContextManager[None]:
        """Hold this while refreshing a shop's token: only one thread of one process does, the others wait and then
        find the new one in the store. Raises Unavailable when the holder does not finish within two minutes."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return self._lock(f"{shop_id}.refresh", shop_id)

    @contextlib.contextmanager
    def _lock(self, name: str, shop_id: str) -> Iterator[None]:
        lock = FileLock(f"{self.path}.{name}.lock", timeout=120, mode=0o600)
        try:
            lock.acquire()
        except Timeout:
            raise Unavailable(
                "another process has been refreshing the token for two minutes",
                where=shop_id,
                remedy="find the process that hangs and end it",
            ) from None
        try:
            yield
        finally:
            lock.release()

    def _read(self) -> dict[str, Token]:
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=dict[str, Token])
        except FileNotFoundError:
            return {}
        except msgspec.MsgspecError:
            raise ConfigError(
                "the token file is damaged", where=str(self.path), remedy="delete it and authorise the shops again"
            ) from None

    def _write(self, tokens: dict[str, Token]) -> None:
        handle, temporary = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}.")  # mode 0600
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(msgspec.json.encode(tokens))
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, self.path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
