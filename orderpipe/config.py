"""What an operator edits: shops, receivers, warehouses. Read once, checked, secrets taken from the environment.

State lives under ORDERPIPE_HOME (default ./.orderpipe); configuration under ORDERPIPE_CONFIG (default ./config).
Secrets come from the environment or from `<home>/env` (NAME=value lines, mode 0600); the environment wins.
"""

import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from orderpipe.errors import ConfigError
from orderpipe.private_files import write_private

ROOT = Path(__file__).resolve().parent.parent
_VARIABLE = re.compile(r"\$\{([A-Z][A-Z0-9_]*)(?::-([^}]*))?\}")


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Shop(_Model):
    """One authorised store of a platform, as listed in config/shops.yaml, its secrets resolved."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    platform: str
    name: str
    timezone: str
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    base_url: str
    api_version: str = ""
    credentials: dict[str, str] = Field(default_factory=dict, repr=False)
    settings: dict[str, Any] = Field(default_factory=dict)
    problem: str = ""  # why it cannot be called now (a secret that is not set); the other shops go on


class Receiver(_Model):
    """A system we send instructions to (wms, courier, dingtalk), as in config/receivers.yaml."""

    name: str
    base_url: str
    credentials: dict[str, str] = Field(default_factory=dict, repr=False)
    settings: dict[str, Any] = Field(default_factory=dict)
    problem: str = ""

    @property
    def workers(self) -> int:
        """Requests that go to it at the same time."""
        return int(self.settings.get("workers", 4))


class Warehouse(_Model):
    """A warehouse that can ship, with the sender that is printed on its waybills.

    cutoff: when the courier takes the day's parcels, "16:00" in Asia/Shanghai. weekends: it works on them.
    """

    id: str
    name: str
    wms_code: str
    owner_code: str
    sender: dict[str, str]
    cutoff: str = Field("16:00", pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")
    weekends: bool = True

    @field_validator("id")
    @classmethod
    def _names_no_parcel(cls, value: str) -> str:
        """Parcels are named by order and warehouse, and X1, B1, R2 after an order name exchanges, resends, repeats."""
        if re.fullmatch(r"[XBR][0-9]+", value):
            raise ValueError("X, B or R with a number names a parcel, not a warehouse")
        return value

    @property
    def cutoff_minutes(self) -> int:
        """Minutes from midnight to the cut-off."""
        hours, minutes = self.cutoff.split(":")
        return int(hours) * 60 + int(minutes)


@dataclass(frozen=True)
class Home:
    """The folders and files under ORDERPIPE_HOME."""

    path: Path

    @property
    def vault(self) -> Path:
        return self.path / "vault"

    @property
    def lake(self) -> Path:
        return self.path / "lake"

    @property
    def env_file(self) -> Path:
        return self.path / "env"

    @property
    def tokens(self) -> Path:
        return self.path / "tokens.json"

    def lock(self, name: str) -> Path:
        return self.path / f"{name}.lock"


@dataclass(frozen=True)
class Settings:
    """Everything a run needs to know. Files are read when first asked for, so that a command only
    complains about what it uses."""

    home: Home
    config_dir: Path
    env: Mapping[str, str] = field(repr=False)

    @cached_property
    def shops(self) -> dict[str, Shop]:
        """Shops by id. Raises ConfigError with file, entry and remedy."""
        path = self.config_dir / "shops.yaml"
        shops: dict[str, Shop] = {}
        for number, entry in enumerate(_read_yaml(path, list), 1):
            shop = _build(Shop, entry, path, f"entry {number}", self.env)
            if shop.id in shops:
                raise ConfigError(
                    f"shop id {shop.id} is listed twice", where=str(path), remedy="give every shop its own id"
                )
            shops[shop.id] = shop
        return shops

    @cached_property
    def receivers(self) -> dict[str, Receiver]:
        """Receivers by name: wms, courier, dingtalk."""
        path = self.config_dir / "receivers.yaml"
        return {
            name: _build(Receiver, {"name": name, **entry}, path, name, self.env)
            for name, entry in _read_yaml(path, dict).items()
        }

    @cached_property
    def warehouses(self) -> dict[str, Warehouse]:
        """Warehouses by id."""
        path = self.config_dir / "warehouses.yaml"
        entries = _read_yaml(path, list)
        return {w.id: w for w in (_build(Warehouse, e, path, f"entry {n}", self.env) for n, e in enumerate(entries, 1))}

    @property
    def threads(self) -> int:
        """Threads a connection to the lakes computes with: ORDERPIPE_THREADS, by default 1. Raises ConfigError."""
        text = self.env.get("ORDERPIPE_THREADS") or "1"
        if not re.fullmatch(r"[1-9][0-9]{0,2}", text):
            raise ConfigError(f"{text!r} is no number of threads", where="ORDERPIPE_THREADS", remedy="use 1 or more")
        return int(text)

    @cached_property
    def pii_key(self) -> bytes:
        """The key of the keyed hashes (phone_key, …), 32 bytes from ORDERPIPE_PII_KEY as hex."""
        text = self.env.get("ORDERPIPE_PII_KEY", "")
        if not re.fullmatch(r"[0-9a-f]{64}", text):
            raise ConfigError(
                "ORDERPIPE_PII_KEY is not set to 64 hex digits" if text else "ORDERPIPE_PII_KEY is not set",
                where=str(self.home.env_file),
                remedy="run `orderpipe doctor --init` once, or set the key the lake was made with",
            )
        return bytes.fromhex(text)


def load(home: str | Path | None = None, config_dir: str | Path | None = None) -> Settings:
    """Settings for this process; nothing but `<home>/env` is read yet."""
    home = Home(Path(home or os.environ.get("ORDERPIPE_HOME") or ".orderpipe").absolute())
    named = config_dir or os.environ.get("ORDERPIPE_CONFIG")
    config_dir = Path(named or "config").absolute()
    if not config_dir.is_dir():
        if named:
            remedy = "set ORDERPIPE_CONFIG to the folder of shops.yaml"
            raise ConfigError("no such folder", where=str(config_dir), remedy=remedy)
        config_dir = ROOT / "config"
    return Settings(home, config_dir, {**read_env_file(home.env_file), **os.environ})


def read_env_file(path: Path) -> dict[str, str]:
    """NAME=value lines of a file; no file is an empty one. Raises ConfigError when others may read it."""
    if not path.exists():
        return {}
    if path.stat().st_mode & 0o077:
        raise ConfigError("the file with secrets is readable by others", where=str(path), remedy=f"chmod 600 {path}")
    lines = (line.strip() for line in path.read_text("utf-8").splitlines())
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#") and "=" in line)


def write_env_file(path: Path, values: Mapping[str, str]) -> None:
    """Replace the file by these NAME=value lines, mode 0600, in one atomic step."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_private(path, "".join(f"{name}={value}\n" for name, value in sorted(values.items())))


def missing_key(settings: Settings) -> dict[str, str]:
    """A new key of the keyed hashes for the env file, or nothing when there is one.

    Raises ConfigError when a lake stands there already: under another key its hashes would match nothing any more.
    """
    if "ORDERPIPE_PII_KEY" in settings.env:
        return {}
    if settings.home.vault.exists():
        raise ConfigError(
            "ORDERPIPE_PII_KEY, which this lake was made with, is gone",
            where=str(settings.home.env_file),
            remedy="restore it from your backup; under a new key no phone or id number would be found again",
        )
    return {"ORDERPIPE_PII_KEY": secrets.token_hex(32)}


def _read_yaml(path: Path, shape: type) -> Any:
    try:
        content = yaml.safe_load(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            "the file does not exist", where=str(path), remedy="copy it from the repository's config/"
        ) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise ConfigError(
            f"not valid YAML: {getattr(error, 'problem', error)}", where=f"{path}{line}", remedy="mend the line"
        ) from None
    if not isinstance(content, shape):
        raise ConfigError(
            f"must hold a {shape.__name__} at top level", where=str(path), remedy="see docs/configuration.md"
        )
    return content


def _resolve(value: Any, env: Mapping[str, str], where: str) -> Any:
    """Replace ${NAME} and ${NAME:-default} in every string below value."""
    if isinstance(value, dict):
        return {key: _resolve(item, env, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, list):
        return [_resolve(item, env, where) for item in value]
    if not isinstance(value, str):
        return value

    def substitute(match: re.Match[str]) -> str:
        name, default = match.groups()
        found = env.get(name) or default
        if found is None:
            raise ConfigError(
                f"environment variable {name} is not set",
                where=where,
                remedy=f"export {name}=… or add it to the env file under ORDERPIPE_HOME",
            )
        return found

    return _VARIABLE.sub(substitute, value)


def _with_credentials(entry: dict[str, Any], env: Mapping[str, str], where: str) -> dict[str, Any]:
    """Resolve the credentials; a secret that is not set becomes the entry's problem, so that one shop's
    missing secret does not stop the others."""
    try:
        return {**entry, "credentials": _resolve(entry["credentials"], env, where)}
    except ConfigError as error:
        return {**entry, "credentials": {}, "problem": str(error)}


def _build(model: type, entry: Any, path: Path, label: str, env: Mapping[str, str]) -> Any:
    name = entry.get("id") or entry.get("name") or label if isinstance(entry, dict) else label
    where = f"{path.name}, {name}"
    try:
        if isinstance(entry, dict) and "credentials" in entry:
            entry = _with_credentials(entry, env, where)
        return model.model_validate(_resolve(entry, env, where))
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        at = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{at}: {first['msg']}", where=where, remedy="see docs/configuration.md") from None
