"""Errors an operator can act on: what happened, where, and how to mend it.

No message may hold personal data or a secret: messages travel to logs, the Dagster UI and DingTalk.
"""


class OrderpipeError(Exception):
    """Base of every error this package raises on purpose.

    what: one sentence on what went wrong. where: shop, file, table or receiver it happened at.
    remedy: what a person should do next.
    """

    def __init__(self, what: str, *, where: str = "", remedy: str = ""):
        self.what, self.where, self.remedy = what, where, remedy
        super().__init__(self.__str__())

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        return f"{head} — {self.remedy}" if self.remedy else head


class ConfigError(OrderpipeError):
    """A configuration file or an environment variable is missing or wrong."""


class LeaseTimeout(OrderpipeError):
    """Another writer held the lease for longer than we were willing to wait."""


class PlatformError(OrderpipeError):
    """A call to a platform failed for good (after the retries that were allowed).

    scope says how far the failure reaches: 'shop' (no other call of this shop can work now: credentials,
    connectivity, frozen shop) or 'window' (this pull window only: malformed page, count that does not reconcile).
    """

    scope = "window"

    def __init__(self, what: str, *, where: str = "", remedy: str = "", scope: str | None = None):
        super().__init__(what, where=where, remedy=remedy)
        if scope is not None:
            self.scope = scope


class NeedsReauthorisation(PlatformError):
    """The platform refuses our token or signature and no refresh can help: a person must act."""

    scope = "shop"


class Unavailable(PlatformError):
    """The platform did not answer, or answered with its own failure, through all retries."""

    scope = "shop"


class Throttled(PlatformError):
    """The platform's quota is used up for longer than a tick can wait."""

    scope = "shop"


class BadResponse(PlatformError):
    """The answer arrived but is not what the platform documentation describes: truncated, not JSON, partial data."""
