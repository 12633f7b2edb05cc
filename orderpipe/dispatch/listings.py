"""Listings off sale and on again: what such a write is made of, and how it is made."""

from collections.abc import Mapping, Sequence
from typing import Any

from orderpipe.errors import PlatformError
from orderpipe.lake import models
from orderpipe.platforms import Client, Refused

SUSPEND, RESUME = "suspend_listing", "resume_listing"


def write(client: Client, body: Mapping[str, Any], retry: bool) -> dict[str, Any]:
    """Take a product off sale or put it on, {kind, product_id, quantity}; gives the receipt. retry: an earlier attempt
    may have been carried out, so the platform is asked first. Raises as the client does."""
    product = body["product_id"]
    as_read = {"product_id": product, "read": True}
    if retry and _stands(client, body):
        return as_read
    try:
        if body["kind"] == SUSPEND:
            return client.suspend_listing(product)
        return client.resume_listing(product, body["quantity"])
    except Refused as refusal:
        # A platform may refuse to take off what is off already: what counts is how the listing stands.
        if refusal.scope == "shop" or not _stands_after_refusal(client, body):
            raise
        return as_read


def writes(con, due: Sequence[Any]) -> dict[str, dict[str, Any]]:
    """What the listing instructions among `due` ask for, by instruction, oldest first."""
    models.build(con, "outbox/listing_writes", "work.listing_writes")
    rows = con.execute("FROM work.listing_writes").to_arrow_table().to_pylist()
    found = {row.pop("instruction_id"): row for row in rows}
    return {row.instruction_id: found[row.instruction_id] for row in due if row.instruction_id in found}


def _stands(client: Client, body: Mapping[str, Any]) -> bool:
    return client.is_listed(body["product_id"]) is (body["kind"] == RESUME)


def _stands_after_refusal(client: Client, body: Mapping[str, Any]) -> bool:
    try:
        return _stands(client, body)
    except PlatformError:  # the refusal is what the caller hears of
        return False
