"""Personal data made unreadable for what we keep about a request: attempts, errors, logs."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_MOBILE = re.compile(r"(?<!\d)(1[3-9]\d)[ -]?\d{4}[ -]?(\d{4})(?!\d)")
_IDENTITY = re.compile(r"(?<!\d)(\d{6})\d{8}\d{3}[\dXx](?![\dXx])")

_REGION = re.compile(r"(?:[^\W\d路街道巷号村镇]{2,7}(?:省|自治区|特别行政区))?(?:[^\W\d路街道巷号村镇省]{2,5}市)?")

_NAMES = {"name", "buyerNick", "sellerNick", "operatorName", "checkMan"}
_PHONES = {"mobile", "tel", "phone"}
_ADDRESSES = {"detailAddress", "printAddr", "addr", "address"}
_IDENTITIES = {"idNumber"}
_FREE_TEXT = {"buyerMessage", "sellerMessage", "remark", "invoices", "email", "company"}
_CIPHERTEXTS = {"oaid", "caid", "receiverTokens"}
_SECRETS = {"partnerKey", "partnerSecret", "partnerId", "payNo"}


def name(text: str) -> str:
    """张三 → 张*"""
    return text[:1] + "*" if text else ""


def phone(text: str) -> str:
    """13800000000 → 138****0000; shorter numbers keep their last four digits."""
    return f"{text[:3]}****{text[-4:]}" if len(text) >= 11 else f"****{text[-4:]}" if len(text) > 4 else "****"


def address(text: str) -> str:
    """Province and city where the text begins with them, then ***: of a street nothing stays."""
    return _REGION.match(text)[0] + "***" if text else ""


def document(value: Any, key: str = "") -> Any:
    """A copy of a nested request body with names, phones, addresses, free text and partner secrets masked by key,
    and every repetition of those values, phone or id number elsewhere masked as well."""
    hidden = sorted(set(personal_values(value)), key=len, reverse=True)
    return _masked(value, key, hidden)


def personal_values(value: Any, key: str = "") -> Iterator[str]:
    """The names, phones and addresses held by a nested body, long enough to be searched for in other text."""
    if isinstance(value, Mapping):
        for inner, item in value.items():
            yield from personal_values(item, inner)
    elif isinstance(value, list):
        for item in value:
            yield from personal_values(item, key)
    elif key in _NAMES | _PHONES | _ADDRESSES | _IDENTITIES and len(text := str(value or "")) > 1:
        yield text


def secrets(credentials: Mapping[str, str]) -> list[str]:
    """The credentials a receiver could quote in a message, long enough to be told from ordinary text."""
    return [value for value in credentials.values() if len(value) > 4]


def scrub(text: str, hidden: Iterable[str] = ()) -> str:
    """The text without the hidden values and without anything that looks like a mobile or an id number."""
    for value in hidden:
        text = text.replace(value, "***")
    return _IDENTITY.sub(r"\1********", _MOBILE.sub(r"\1****\2", text))


def _masked(value: Any, key: str, hidden: list[str]) -> Any:
    if key in _FREE_TEXT | _CIPHERTEXTS | _SECRETS and value:
        return "***"
    if isinstance(value, Mapping):
        return {inner: _masked(item, inner, hidden) for inner, item in value.items()}
    if isinstance(value, list):
        return [_masked(item, key, hidden) for item in value]
    if not isinstance(value, str):
        return value
    for keys, mask in ((_NAMES, name), (_PHONES, phone), (_ADDRESSES, address), (_IDENTITIES, phone)):
        if key in keys:
            return mask(value)
    return scrub(value, hidden)
