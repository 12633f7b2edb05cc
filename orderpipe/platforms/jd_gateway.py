"""The gateway of JD's open platform (routerjson): signature, access token, envelope, errors.

The platform is moving to another gateway (SP-API) with other envelopes; the client knows this one only by
`JdGateway.call`. Source of every fact: platform documentation of JD, sections "routerjson transport" and "Errors".
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlencode

import httpx
import msgspec

from orderpipe.clock import Clock
from orderpipe.config import Shop
from orderpipe.errors import BadResponse, NeedsReauthorisation, Throttled, Unavailable
from orderpipe.platforms import china_time
from orderpipe.platforms.authorisation import RenewedAuth
from orderpipe.platforms.base import Refused, Unanswered, credential
from orderpipe.platforms.http import Again, Retry, SteadyClock, endpoint, exchange, retry_after
from orderpipe.platforms.tokens import Token, TokenStore

OAUTH_HOST = "https://open-oauth.jd.com"
ROOTS = ("_responce", "_response")  # the platform writes the first; gateways in front of it have mended it
TOKEN_REFUSED = frozenset({"18", "19"})
BUSY = frozenset({"43", "65", "66", "67", "69"})
QUOTA = "2"
BEING_SHIPPED = "70"
T = TypeVar("T")


class BeingShipped(Unanswered):
    """The platform is just shipping this order: it must be read again, and not be shipped again blindly."""


def sign(params: Mapping[str, str], secret: str) -> str:
    """The signature of raw (not URL-encoded) parameters, upper-case hex: everything that is sent counts but `sign`."""
    text = "".join(key + params[key] for key in sorted(params) if key != "sign")
    return hashlib.md5(f"{secret}{text}{secret}".encode()).hexdigest().upper()


def parse_time(text: str) -> datetime:
    """A time of the platform as aware UTC. Raises ValueError, also for 0001-01-01 and 1970-01-01, which mean none."""
    if text < "1971":
        raise ValueError("not a time")
    return china_time.parse_time(text)


class JdError(msgspec.Struct):
    """The `error_response` object. code: text, though some gateways send a number."""

    code: str | int = ""
    zh_desc: str | None = None
    en_desc: str | None = None

    def __post_init__(self) -> None:
        self.code = str(self.code)

    def __str__(self) -> str:
        return ", ".join(part for part in (f"code {self.code}", self.zh_desc or self.en_desc) if part)


class _Verdict(msgspec.Struct):
    """What an object of an answer says about the business of the call, under whichever of its names."""

    success: bool | None = None
    apiResult: "_Verdict | None" = None
    numberCode: str | int | None = None
    chineseErrCode: str | None = None
    englishErrCode: str | None = None

    def failure(self) -> str | None:
        """Why it failed, or None."""
        if self.success is False:
            parts = (self.numberCode, self.chineseErrCode or self.englishErrCode)
            return ", ".join(str(part) for part in parts if part) or "success is false"
        return self.apiResult.failure() if self.apiResult else None

    def confirmed(self) -> bool:
        return self.success is True or (self.apiResult is not None and self.apiResult.confirmed())


def _error_in(content: bytes) -> JdError | None:
    if b"error_response" not in content[:64]:
        return None
    try:
        return msgspec.json.decode(content, type=dict[str, JdError], strict=False).get("error_response")
    except msgspec.MsgspecError:
        return None


class _Grant(msgspec.Struct):
    access_token: str = ""
    refresh_token: str = ""
    expires_in: float | None = None
    code: str | int = ""


class JdAuth(RenewedAuth):
    """Adds the common parameters, the access token and the signature to a call; renews an expired token."""

    def __init__(self, shop: Shop, tokens: TokenStore, clock: SteadyClock):
        self._app_key, self._secret = credential(shop, "app_key"), credential(shop, "app_secret")
        self._oauth = endpoint(_oauth_host(shop), "/oauth2/refresh_token", where=shop.id)
        super().__init__(shop, tokens, clock, self._app_key, self._secret)

    def signed(self, request: httpx.Request, token: Token) -> httpx.Request:
        full = {
            **dict(parse_qsl(request.content.decode(), keep_blank_values=True)),
            "access_token": token.access_token,
            "app_key": self._app_key,
            "timestamp": china_time.time_text(self.clock.now()),
            "v": "2.0",
        }
        full["sign"] = sign(full, self._secret)
        return httpx.Request(
            "POST",
            request.url,
            headers={name: value for name, value in request.headers.items() if name != "content-length"},
            content=urlencode(full).encode(),
            extensions=request.extensions,  # carries the timeouts
        )

    def expired(self, response: httpx.Response) -> bool:
        error = _error_in(response.content)
        return error is not None and error.code in TOKEN_REFUSED

    def renewal(self, request: httpx.Request, token: Token) -> httpx.Request:
        params = {
            "app_key": self._app_key,
            "app_secret": self._secret,
            "grant_type": "refresh_token",
            "refresh_token": token.refresh_token,
        }
        return httpx.Request("GET", self._oauth, params=params, extensions=request.extensions)

    def renewed(self, response: httpx.Response) -> Token:
        error = _error_in(response.content)
        try:
            grant = msgspec.json.decode(response.content, type=_Grant, strict=False) if error is None else _Grant()
        except msgspec.MsgspecError:
            # If the platform did exchange the token, the next attempt is refused and asks for a person.
            what = "the answer to a token refresh could not be read"
            raise Again(BadResponse(what, where=self.shop_id, remedy=_NEXT_RUN, scope="shop")) from None
        code = error.code if error else str(grant.code)
        if response.status_code >= 500 or response.status_code == 429 or code in BUSY:
            what = f"refreshing the access token failed (HTTP {response.status_code}, code {code or 'none'})"
            raise Again(Unavailable(what, where=self.shop_id, remedy=_NEXT_RUN))
        if not grant.access_token:
            raise self.reauthorise(f"refreshing the access token was refused (code {code or 'none'})")
        return self.pair(grant.access_token, grant.refresh_token or self.token().refresh_token, grant.expires_in)

    def reauthorise(self, what: str) -> NeedsReauthorisation:
        remedy = "authorise the shop again and set its tokens (JD_ACCESS_TOKEN, JD_REFRESH_TOKEN)"
        return NeedsReauthorisation(what, where=self.shop_id, remedy=remedy)


def _oauth_host(shop: Shop) -> str:
    """Where tokens are renewed: the platform has a host of its own for that; another gateway than the platform's own
    (a test server) has it beside the calls."""
    ours = httpx.URL(endpoint(shop.base_url, "", where=shop.id)).host
    default = OAUTH_HOST if ours == "jd.com" or ours.endswith(".jd.com") else shop.base_url
    return str(shop.settings.get("oauth_url", default))


class JdGateway:
    """Calls of one shop through the gateway, with the retries the documentation allows."""

    def __init__(self, shop: Shop, tokens: TokenStore, clock: Clock, http: httpx.Client, sleep: Callable[[float], Any]):
        self._shop_id, self._http = shop.id, http
        self._url = endpoint(shop.base_url, "/routerjson", where=shop.id)
        self._auth = JdAuth(shop, tokens, SteadyClock(clock))
        self._retry = Retry(budget=float(shop.settings.get("throttle_budget_seconds", 60)), sleep=sleep)

    def call(self, method: str, params: Mapping[str, Any], result: str, answer: type[T]) -> T:
        """Read something: decode the object `result` of the answer to a method. params: the business parameters.

        Raises NeedsReauthorisation, Throttled, Unavailable, Refused or BadResponse after the allowed retries.
        """
        return self._retry.run(lambda: self._decoded(method, params, result, answer))

    def write(self, method: str, params: Mapping[str, Any], *, repeatable: bool = True) -> None:
        """Have something done. repeatable: whether doing it twice equals doing it once; if not, an unclear end raises
        Unanswered, an order that is just being shipped BeingShipped. Raises as `call` does otherwise."""

        def attempt() -> None:
            _, found = self._attempt(method, params, repeatable)
            if not repeatable and not _confirmed(found):
                where = f"{self._shop_id}, {method}"
                raise Unanswered("the answer does not say that it was done", where=where, remedy=_READ_FIRST)

        self._retry.run(attempt)

    def _decoded(self, method: str, params: Mapping[str, Any], result: str, answer: type[T]) -> T:
        response, found = self._attempt(method, params, repeatable=True)
        try:
            return msgspec.json.decode(found[result], type=answer, strict=False)
        except (msgspec.MsgspecError, KeyError):
            raise _unreadable(response, f"{self._shop_id}, {method}", repeatable=True) from None

    def _attempt(
        self, method: str, params: Mapping[str, Any], repeatable: bool
    ) -> tuple[httpx.Response, dict[str, msgspec.Raw]]:
        """The answer, and what stands under its root, once it is known to be no failure."""
        where = f"{self._shop_id}, {method}"
        text = json.dumps(params, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        request = self._http.build_request("POST", self._url, data={"method": method, "360buy_param_json": text})
        response = exchange(self._http, request, self._auth, where=where, repeatable=repeatable)
        error = _error_in(response.content)
        if error is None:
            try:
                response.content.decode()  # raw slices of the answer are passed on as text
                found = _under_root(response.content, method)
                code = bytes(found.get("code", msgspec.Raw(b'"0"'))).decode().strip('"')
                failure = None if code != "0" else _failure(found)
            except (msgspec.MsgspecError, UnicodeDecodeError, KeyError):
                raise _unreadable(response, where, repeatable) from None
            if code == "0" and failure is None:
                return response, found
            error = JdError(code) if code != "0" else None
        if error is not None:
            raise self._judge(error, where, repeatable)
        # Why a business failed is not in the table of codes: reading is tried again, writing is left to the caller.
        refused = Refused(f"refused ({self._auth.redact(failure)})", where=where, remedy=_DOCUMENTATION)
        raise Again(refused) if repeatable else refused

    def _judge(self, error: JdError, where: str, repeatable: bool) -> Exception:
        """What an error code means, by the documentation's table."""
        code, what = error.code, self._auth.redact(str(error))
        if code in TOKEN_REFUSED:
            return self._auth.reauthorise(f"the access token is refused ({what})")
        if code == QUOTA:
            return Throttled(f"the calls of today are used up ({what})", where=where, remedy="it opens at 00:00 GMT+8")
        if code in BUSY:
            failure = Unavailable(f"the platform failed ({what})", where=where, remedy=_NEXT_RUN)
            return Again(failure) if repeatable else Unanswered(failure.what, where=where, remedy=_READ_FIRST)
        if code == BEING_SHIPPED:
            return BeingShipped(f"the order is being shipped ({what})", where=where, remedy=_READ_FIRST)
        if code in _KEY_TROUBLE:
            return NeedsReauthorisation(f"refused ({what})", where=where, remedy=_KEY_TROUBLE[code])
        if code in _NOT_ALLOWED:
            scope, remedy = _NOT_ALLOWED[code]
            return Refused(f"not allowed ({what})", where=where, remedy=remedy, scope=scope)
        return Refused(f"refused ({what})", where=where, remedy=_DOCUMENTATION)


_NEXT_RUN = "the next run tries again"
_READ_FIRST = "it is read again before it is sent again"
_DOCUMENTATION = "see the code in the platform's documentation"
_KEY_TROUBLE = {
    **dict.fromkeys(("7", "8"), "set this machine's clock right: the platform tolerates 6 minutes"),
    **dict.fromkeys(("11", "12"), "correct the application's secret (JD_APP_SECRET)"),
    **dict.fromkeys(("20", "21"), "correct the application's key (JD_APP_KEY)"),
    "80": "add this machine's address to the application's whitelist in the platform's console",
}
_PERMISSION = ("window", "apply for the permission in the platform's console, then authorise the shop again")
_DECRYPTION = ("window", "the platform refuses to decrypt receivers: check the application's decryption permission")
_NOT_ALLOWED = {
    "23": ("shop", "ask the platform's support why the application is stopped"),
    "28": ("window", "the platform has stopped this API: look for its successor in the documentation"),
    **dict.fromkeys(("24", "88"), _PERMISSION),
    "73": ("window", "this API answers only inside the platform's own cloud: run there, or do without it"),
    **dict.fromkeys(("83", "84", "85", "86", "87"), _DECRYPTION),
}


def _under_root(content: bytes, method: str) -> dict[str, msgspec.Raw]:
    """What stands under the answer's root. Raises KeyError when there is no such root, msgspec.MsgspecError."""
    envelope = msgspec.json.decode(content, type=dict[str, msgspec.Raw])
    name = method.replace(".", "_")
    misspelt, mended = (name + ending for ending in ROOTS)
    return msgspec.json.decode(envelope[misspelt if misspelt in envelope else mended], type=dict[str, msgspec.Raw])


def _verdicts(found: Mapping[str, msgspec.Raw]) -> list[_Verdict]:
    """What the answer and the objects in it say about success. Raises msgspec.MsgspecError."""
    objects = [value for value in map(bytes, found.values()) if value.startswith(b"{")]
    said = [msgspec.json.decode(value, type=_Verdict, strict=False) for value in objects]
    if "success" in found:
        said.append(_Verdict(success=msgspec.json.decode(found["success"], type=bool | None, strict=False)))
    return said


def _failure(found: Mapping[str, msgspec.Raw]) -> str | None:
    """Failures of the business hide in answers with code 0."""
    return next((why for why in (verdict.failure() for verdict in _verdicts(found)) if why), None)


def _confirmed(found: Mapping[str, msgspec.Raw]) -> bool:
    return any(verdict.confirmed() for verdict in _verdicts(found))


def _unreadable(response: httpx.Response, where: str, repeatable: bool) -> Exception:
    """An answer that is neither the expected root nor an error: an edge's page, cut short, or changed."""
    status = response.status_code
    if status == 429:
        return Again(Throttled("HTTP 429", where=where, remedy=_NEXT_RUN), after=retry_after(response))
    if not repeatable:
        return Unanswered(f"unreadable answer (HTTP {status})", where=where, remedy=_READ_FIRST)
    if status >= 500:
        return Again(Unavailable(f"HTTP {status}", where=where, remedy=_NEXT_RUN))
    remedy = "compare the answer with the platform's documentation"
    return Again(BadResponse(f"unreadable answer (HTTP {status})", where=where, remedy=remedy))
