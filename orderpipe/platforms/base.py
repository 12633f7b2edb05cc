"""The interface every platform client has, and the words it speaks in."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from orderpipe.errors import BadResponse, ConfigError, Unavailable


@dataclass(frozen=True)
class Window:
    """[start, end) of platform modified time, aware UTC."""

    start: datetime
    end: datetime


@dataclass(frozen=True)
class RawPayload:
    """One document as the platform sent it.

    source_id: the platform's id of the document, text; empty when the platform sent one without (it still lands,
    so that quarantine shows it). source_updated_at: platform modified time, aware UTC; the start of the window
    when the document has none, so that any good version of it counts as newer. payload: the JSON text, byte for
    byte as sent; personal data, therefore not in the repr.
    """

    source_id: str
    source_updated_at: datetime
    payload: str = field(repr=False)


@dataclass(frozen=True)
class Page:
    """Some payloads of a window. reported: the platform's own count for the whole window, on the first page, where
    it gives one. Documents modified during the walk leave the window, so what lands may exceed it, never fall below."""

    payloads: list[RawPayload]
    reported: int | None = None


@dataclass(frozen=True)
class WindowPolicy:
    """span: longest window to ask for in one go. overlap: how far a window reaches back behind the previous end.
    lag: the end of a window stays this far behind platform time. every: a new window is not due before so much time
    has passed since the last one, for lists that can only be read whole. first: how far back the first window of a
    shop reaches, where it is not the setting first_pull_hours: listings are as old as the shop."""

    span: timedelta
    overlap: timedelta
    lag: timedelta
    every: timedelta = timedelta(0)
    first: timedelta | None = None

    def overridden(self, settings: Mapping[str, Any], prefix: str = "") -> "WindowPolicy":
        """This policy with window_span_minutes, window_overlap_minutes, window_lag_minutes of a shop's settings.
        prefix: what stands before these names."""

        def minutes(name: str) -> timedelta:
            default = getattr(self, name) / timedelta(minutes=1)
            return timedelta(minutes=float(settings.get(f"{prefix}window_{name}_minutes", default)))

        return replace(self, span=minutes("span"), overlap=minutes("overlap"), lag=minutes("lag"))


class Client(Protocol):
    """One authorised shop of a platform. Every call may raise the PlatformError kinds of orderpipe.errors."""

    kinds: tuple[str, ...]

    def policy(self, kind: str) -> WindowPolicy:
        """How windows of this kind are cut."""

    def pull(self, kind: str, window: Window) -> Iterator[Page]:
        """Every document of this kind modified in the window, walked in the direction that loses none."""

    def census(self, kind: str, window: Window) -> dict[str, datetime]:
        """Id and modified time (UTC) of the same documents, by a second, independent walk."""

    def suspend_listing(self, product_id: str) -> dict[str, Any]:
        """Take a product, all of its variants, off sale. Effect once, however often. Returns a receipt."""

    def resume_listing(self, product_id: str, quantity: int) -> dict[str, Any]:
        """Put a product on sale again. quantity: pieces, for platforms that ask. Returns a receipt."""

    def is_listed(self, product_id: str) -> bool | None:
        """Whether a product is on sale; None when the platform does not tell."""

    def close(self) -> None:
        """Give back the connections."""


class Refused(BadResponse):
    """The platform understood the request and refuses it; the same request will be refused again."""


class Unanswered(Unavailable):
    """A write was sent and no clear answer came: it may or may not have happened. Read before sending again."""


def credential(owner: Any, name: str) -> str:
    """A credential of a Shop or a Receiver. Raises ConfigError naming owner, key and remedy when it is missing."""
    value = owner.credentials.get(name, "").strip()
    if value:
        return value
    where = getattr(owner, "id", None) or owner.name
    problem = getattr(owner, "problem", "") or f"credential {name} is missing"
    raise ConfigError(problem, where=where, remedy=f"set the environment variable that its `{name}` refers to")
