"""Doctor: what is wrong with this installation, and how to mend it."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from orderpipe import clock, spool
from orderpipe.config import Settings, missing_key, read_env_file, write_env_file
from orderpipe.errors import ConfigError, OrderpipeError, PlatformError
from orderpipe.flow import activation
from orderpipe.flow.pull import allowed_behind, lanes
from orderpipe.lake import reader
from orderpipe.lake.windows import Progress, progress
from orderpipe.platforms import TokenStore, Window, open_client


@dataclass(frozen=True)
class Finding:
    """One line of the examination. level: ok, warning or error."""

    level: str
    what: str
    detail: str


def initialise(settings: Settings) -> None:
    """Make the home folder and, where there is none, the key of the keyed hashes. Raises ConfigError when a lake
    stands there whose key is gone."""
    if key := missing_key(settings):
        write_env_file(settings.home.env_file, {**read_env_file(settings.home.env_file), **key})


def examine(settings: Settings) -> list[Finding]:
    """Configuration, credentials, callbacks, rules, connectivity and freshness, in this order."""
    return [
        *_configuration(settings),
        *_callbacks(settings),
        *_rules(settings),
        *_connectivity(settings),
        *_freshness(settings),
    ]


def _configuration(settings: Settings) -> Iterator[Finding]:
    for name, read in (
        ("shops.yaml", lambda: settings.shops),
        ("receivers.yaml", lambda: settings.receivers),
        ("warehouses.yaml", lambda: settings.warehouses),
        ("ORDERPIPE_PII_KEY", lambda: settings.pii_key),
    ):
        try:
            found = read()
        except ConfigError as error:
            yield Finding("error", name, str(error))
            continue
        yield Finding("ok", name, f"{len(found)} entries" if isinstance(found, dict) else "set")
        if isinstance(found, dict):
            for entry in found.values():
                if problem := getattr(entry, "problem", ""):
                    yield Finding("error", getattr(entry, "id", None) or entry.name, problem)


def _callbacks(settings: Settings) -> Iterator[Finding]:
    """Whether the courier's pushes can be believed and its numbers asked for, and what lies in the spool."""
    with contextlib.suppress(ConfigError):  # reported above
        courier = settings.receivers.get("courier")
        wanted = {"salt": "pushes are not subscribed to", "customer": "silent numbers are not asked for"}
        for name, loss in wanted.items() if courier and not courier.problem else ():
            if not courier.credentials.get(name, "").strip():
                remedy = f"set KUAIDI100_{name.upper()}"
                yield Finding("warning", "courier", f"credential {name} is not set, {loss} — {remedy}")
    if not settings.home.path.exists():
        return
    waiting, unreadable = spool.waiting(settings), spool.set_aside_names(settings)
    if unreadable:
        yield Finding("warning", "callbacks", f"{len(unreadable)} cannot be read — see callbacks/{spool.BAD}")
    yield Finding("ok", "callbacks", f"{len(waiting)} waiting")


def _rules(settings: Settings) -> Iterator[Finding]:
    """Every rule file: whether it can be activated, and whether it says what is in force."""
    in_force: dict[str, str] = {}
    with contextlib.suppress(OrderpipeError), reader(settings) as con:  # no lake yet: told by _freshness
        in_force = activation.stored(con)
    for one in activation.standings(settings, in_force):
        what = f"rules {one.purpose}"
        if one.problem:
            yield Finding("error", what, one.problem)
        elif one.drifted:
            remedy = f"see `orderpipe rules diff {one.purpose}`, then activate them or take them back"
            yield Finding("warning", what, f"the file has changes that are not in force — {remedy}")
        else:
            yield Finding("ok", what, "in force" if one.activated else "comes into force with the first tick")


def _connectivity(settings: Settings) -> Iterator[Finding]:
    now = clock.from_environment().frozen()
    try:
        shops = list(settings.shops.values())
    except ConfigError:
        return  # reported above
    for shop in shops:
        if shop.problem:
            continue
        try:
            client = open_client(shop, tokens=TokenStore(settings.home.tokens), clock=now)
            try:
                end = now.now() - timedelta(minutes=5)
                found = client.census("order", Window(end - timedelta(minutes=1), end))
            finally:
                client.close()
            yield Finding("ok", shop.id, f"reachable, signed in, {len(found)} orders changed in a test minute")
        except (PlatformError, ConfigError) as error:
            yield Finding("error", shop.id, str(error))


def _freshness(settings: Settings) -> Iterator[Finding]:
    try:
        now = clock.from_environment().now()
        with reader(settings, vault=True) as con:
            pulled = progress(con)
            for lane in lanes(settings):
                reached = pulled.get((lane.shop_id, lane.kind), Progress()).watermark
                what = f"{lane.shop_id} {lane.kind}"
                if reached is None:
                    yield Finding("warning", what, "never pulled — run `orderpipe tick`")
                    continue
                behind = now - reached
                level = "ok" if behind <= allowed_behind(settings, lane) else "warning"
                yield Finding(
                    level,
                    what,
                    f"complete up to {reached:%Y-%m-%d %H:%M:%S} UTC, {int(behind.total_seconds() // 60)} min behind",
                )
    except OrderpipeError as error:
        yield Finding("warning", "lake", str(error))
