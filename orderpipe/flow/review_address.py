"""The address a reviewer gives an order instead of the platform's: complete, deliverable, and tied to what it replaces.

No message here quotes a field of an address.
"""

from collections.abc import Mapping

from orderpipe.errors import OrderpipeError
from orderpipe.flow.run import Run
from orderpipe.lake import models
from orderpipe.lake.reference import load_reference

ADDRESS = ("name", "phone", "country", "province", "city", "district", "town", "address", "zip")
_PLACE = ("address", "province", "city", "district", "town", "phone")
VAGUE = 60  # points of sql/core/addresses.sql from which nobody can deliver without asking


def checked_address(run: Run, order_id: int, given: Mapping[str, str], where: str) -> tuple[dict[str, str], str]:
    """The address with its country, and the key of what it replaces (decision.reviews.replaced_key).

    given: fields of ADDRESS in clear; name and phone may be left out where the platform shows them. Raises
    OrderpipeError when the address is incomplete or vague.
    """
    unknown = set(given) - set(ADDRESS)
    if unknown:
        _refuse(f"an address has no {', '.join(sorted(unknown))}", where, f"its fields are {', '.join(ADDRESS)}")
    new = {name: str(given.get(name) or "").strip() for name in ADDRESS}
    country, hidden, replaced = _replaced(run, order_id, where)
    if country and new["country"] not in ("", country):
        _refuse("an order cannot go to another country", where, "cancel it on the platform instead")
    new["country"] = country or new["country"]
    required = ["country", "city", "address", *(("province", "district") if new["country"] == "CN" else ())]
    # A token stands for the receiver as a whole: beside another address it would send the parcel to the old one.
    required += ["name", "phone"] if hidden else []
    missing = [name for name in required if not new[name]]
    if missing:
        why = "the platform hides the receiver: all of it is needed in clear" if hidden else "give the whole address"
        _refuse(f"the address lacks {', '.join(missing)}", where, why)
    masked = [name for name, value in new.items() if "*" in value]
    if masked:
        _refuse(f"{', '.join(masked)} of the address is masked", where, "give it in clear")
    _check_place(run, order_id, new, where)
    return {name: value for name, value in new.items() if value}, replaced


def _replaced(run: Run, order_id: int, where: str) -> tuple[str | None, bool, str]:
    """The country, whether the platform hides the receiver, and the key of what it says of the address."""
    row = run.lake.execute(
        """SELECT country,
                  coalesce(own.oaid, own.tokens) IS NOT NULL OR coalesce(own.name, '') = '' OR is_masked(own.name)
                      OR coalesce(own.phone, '') = '' OR is_masked(own.phone),
                  coalesce(
                      (SELECT replaced_key FROM decision.reviews r WHERE r.review_id = c.review_id),
                      replaced_key_of(country, province, city, district, address, oaid, place))
           FROM (SELECT *, from_json(
                     coalesce(platform_receiver,
                         json_object('name', name, 'phone', phone, 'oaid', oaid, 'tokens', tokens)),
                     '{"name": "VARCHAR", "phone": "VARCHAR", "oaid": "VARCHAR", "tokens": "VARCHAR"}') AS own
                 FROM vault.pii.contacts WHERE order_id = $order) c""",
        {"order": order_id},
    ).fetchone()
    if row is None:
        _refuse("nothing is known of its receiver", where, "pull the order again with `orderpipe verify --repair`")
    return row


def _check_place(run: Run, order_id: int, new: Mapping[str, str], where: str) -> None:
    """Refuse an unknown province, a phone that is none, and an address that the rules would hold as vague."""
    con = run.lake
    load_reference(con, run.settings)
    con.execute(
        """CREATE OR REPLACE TABLE work.contacts AS
           SELECT $order::BIGINT AS order_id, $address::VARCHAR AS address, $province::VARCHAR AS province,
                  $city::VARCHAR AS city, $district::VARCHAR AS district, $town::VARCHAR AS town,
                  $phone::VARCHAR AS phone""",
        {"order": order_id, **{name: new[name] or None for name in _PLACE}},
    )
    models.build(con, "core/addresses", "work.addresses")
    known, callable_, score, problems = con.execute(
        """SELECT short_province(c.province) IN (SELECT short_province(province) FROM ref.regions),
                  c.phone IS NULL OR plain_phone(c.phone) IS NOT NULL, a.address_score, a.address_problems
           FROM work.contacts c LEFT JOIN work.addresses a USING (order_id)"""
    ).fetchone()
    con.execute("DROP TABLE work.contacts")
    if new["country"] == "CN" and not known:
        _refuse("the province is not known", where, "use one of config/regions.csv")
    if not callable_:
        _refuse("the phone is no number", where, "give a phone number with at least 7 digits")
    if score >= VAGUE:
        _refuse(f"the address is vague: {', '.join(problems)}", where, "ask the buyer for street, building and number")


def _refuse(what: str, where: str, remedy: str) -> None:
    raise OrderpipeError(what, where=where, remedy=remedy)
