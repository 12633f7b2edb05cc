"""Who buys: names, phones, identity numbers, addresses and the notes people write. All invented, all from a seed."""

from random import Random

from orderpipe.sandbox.model import Buyer, Receiver
from orderpipe.sandbox.places import (
    ABROAD,
    BY_PROVINCE,
    ESTATES,
    PROVINCES,
    ROADS,
    SOUTH_EAST_ASIA,
    VAGUE,
    Province,
)

SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎"
GIVEN = (
    "梓萱", "浩然", "雨桐", "子墨", "欣怡", "宇轩", "诗涵", "俊杰", "佳琪", "明轩", "思远", "晓彤",
    "志强", "丽华", "建国", "秀英", "嘉懿", "煜城", "懿轩", "烨伟", "苑博", "鹏涛", "炎彬", "鹤轩",
    "越泽", "风华", "靖琪", "明辉", "伟诚", "修杰", "黎昕", "远航", "旭尧", "鸿涛", "胤祥", "骏驰",
    "擎宇", "致远", "琪睿", "昊焱", "若琳", "婉清", "静姝", "慕雪", "凌薇", "沛柔", "语嫣", "采薇",
)  # fmt: skip
FIRST = (
    "Emily",
    "Noah",
    "Olivia",
    "Liam",
    "Ava",
    "Mason",
    "Sophia",
    "Ethan",
    "Anna",
    "Lucas",
    "Grace",
    "Oscar",
    "Hannah",
    "Felix",
)
LAST = (
    "Whitfield",
    "Okafor",
    "Müller",
    "Delgado",
    "Hargrove",
    "Lindqvist",
    "Pereira",
    "Kowalski",
    "Brennan",
    "Castellano",
    "Ng",
    "Yamada",
)
# Calling code and the range of numbers behind it, by country.
CALLING = {
    "GB": ("+44", 2 * 10**9, 10**10),
    "DE": ("+49", 2 * 10**9, 10**10),
    "BR": ("+55", 2 * 10**9, 10**10),
    "KR": ("+82", 2 * 10**9, 10**10),
    "SG": ("+65", 8 * 10**7, 10**8),
    "MY": ("+60", 10**8, 2 * 10**8),
}
PREFIXES = ("130", "135", "136", "138", "139", "150", "151", "158", "159", "176", "180", "186", "188", "189", "198")
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)

CHINA_MESSAGES = (
    "请尽快发货",
    "送人的，请不要放价格单",
    "易碎品麻烦多包一层",
    "周末才有人在家",
    "发票抬头开个人",
    "颜色别发错了，谢谢",
)
CHINA_PERSONAL = (
    "到了打{phone}，我姓{surname}",
    "请改送{address}，收件人{name}",
    "收件人改成{name}，电话{phone}",
    "清关用身份证{id}",
)
CHINA_MEMOS = ("老客户，多送一份贺卡", "加急", "顺丰到付", "已核对颜色", "缺货已与买家协商")
CHINA_PERSONAL_MEMOS = ("买家来电{phone}要求改地址：{address}", "联系人换成{name} {phone}", "已打{phone}确认")
ABROAD_MESSAGES = ("Please leave it at the door", "It is a gift, no prices please", "Ring the bell twice", "Thank you!")
ABROAD_PERSONAL = (
    "Call {phone} on arrival",
    "Deliver to {name}, {address} instead",
    "My neighbour {name} will take it: {phone}",
)


def chance(rng: Random, share: float) -> bool:
    """True in `share` (0..1) of the draws."""
    return rng.random() < share


def chinese_name(rng: Random) -> tuple[str, str]:
    """Family name and given name."""
    return rng.choice(SURNAMES), rng.choice(GIVEN)


def mobile(rng: Random) -> str:
    """An eleven-digit mobile number."""
    return f"{rng.choice(PREFIXES)}{rng.randrange(10**8):08d}"


def id_number(rng: Random) -> str:
    """An 18-digit identity number with a valid check digit (GB 11643)."""
    region = rng.choice(("330106", "440305", "310115", "110105", "320106", "510107", "420111"))
    born = f"{rng.randrange(1960, 2005)}{rng.randrange(1, 13):02d}{rng.randrange(1, 29):02d}"
    digits = f"{region}{born}{rng.randrange(1000):03d}"
    return digits + "10X98765432"[sum(int(d) * w for d, w in zip(digits, _WEIGHTS, strict=True)) % 11]


def cpf(rng: Random) -> str:
    """A Brazilian taxpayer number with valid check digits."""
    digits = [rng.randrange(10) for _ in range(9)]
    for _ in range(2):
        rest = sum(d * w for d, w in zip(digits, range(len(digits) + 1, 1, -1), strict=True)) * 10 % 11
        digits.append(rest % 10)
    return "{}{}{}.{}{}{}.{}{}{}-{}{}".format(*digits)


def detail_address(rng: Random, vague_share: float = 0.05) -> str:
    """The part of a Chinese address after the town: down to the room, or now and then vague."""
    if chance(rng, vague_share):
        return rng.choice(VAGUE)
    road = f"{rng.choice(ROADS)}{rng.randrange(1, 1200)}号"
    if chance(rng, 0.3):
        return f"{road}创业大厦{rng.choice('ABC')}座{rng.randrange(3, 30)}{rng.randrange(1, 20):02d}室"
    room = f"{rng.randrange(1, 30)}{rng.randrange(1, 5):02d}"
    return f"{road}{rng.choice(ESTATES)}{rng.randrange(1, 40)}幢{rng.randrange(1, 5)}单元{room}室"


def china_ip(rng: Random, province: Province) -> str:
    """A public address in a range of that province."""
    first, low, high = province.ip
    return f"{first}.{rng.randint(low, high)}.{rng.randrange(256)}.{rng.randrange(1, 255)}"


def china_receiver(rng: Random, province: str | None = None) -> Receiver:
    """A receiver in China, in the named province or anywhere. Raises KeyError for a province we do not know."""
    home = BY_PROVINCE[province] if province else PROVINCES[min(int(rng.expovariate(0.22)), len(PROVINCES) - 1)]
    city = rng.choice(list(home.cities))
    district = rng.choice(list(home.cities[city]))
    family, given = chinese_name(rng)
    return Receiver(
        name=family + given,
        first_name=given,
        last_name=family,
        phone=mobile(rng),
        country="CN",
        province=home.name,
        province_en=home.english,
        province_code=home.code,
        city=city,
        district=district,
        town=rng.choice(home.cities[city][district]),
        address=detail_address(rng),
        zip=f"{rng.randrange(100000, 860000)}",
    )


def china_buyer(rng: Random, key: str) -> Buyer:
    """A buyer who lives and receives in China."""
    receiver = china_receiver(rng)
    return Buyer(
        key=key,
        id=_customer_id(rng),
        name=receiver.name,
        email=_email(rng),
        phone=receiver.phone,
        id_number=id_number(rng),
        ip=china_ip(rng, BY_PROVINCE[receiver.province]),
        receiver=receiver,
    )


def abroad_buyer(rng: Random, key: str, country: str | None = None) -> Buyer:
    """A buyer outside China. Raises IndexError for a country we do not know."""
    weighted = [place for place in ABROAD for _ in range(4 if place.country == "US" else 1)]
    place = rng.choice([p for p in weighted + SOUTH_EAST_ASIA if p.country == country] if country else weighted)
    first, last = rng.choice(FIRST), rng.choice(LAST)
    code, low, high = CALLING.get(place.country, ("+1", 2 * 10**9, 10**10))
    phone = f"{code}{rng.randrange(low, high)}"
    street = rng.choice(place.streets)
    house = rng.randrange(1, 2400)
    receiver = Receiver(
        name=f"{first} {last}",
        first_name=first,
        last_name=last,
        phone=phone,
        country=place.country,
        province=place.state,
        province_en=place.state,
        province_code=place.code,
        city=place.city,
        district="",
        town="",
        address=f"{street} {house}" if place.country in ("DE", "BR", "KR") else f"{house} {street}",
        zip=place.zip,
    )
    number = {"BR": cpf(rng), "KR": f"P{rng.randrange(10**12):012d}"}.get(place.country, "")
    ip = f"{place.ip}.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(1, 255)}"
    return Buyer(key, _customer_id(rng), receiver.name, _email(rng), phone, number, ip, receiver)


def sales_tax(receiver: Receiver) -> int:
    """Sales tax of the receiver's place, in basis points."""
    return next((p.tax for p in ABROAD if (p.country, p.code) == (receiver.country, receiver.province_code)), 0)


def buyer_currency(receiver: Receiver) -> str:
    """The currency a buyer at that place sees."""
    return next((p.currency for p in ABROAD + SOUTH_EAST_ASIA if p.country == receiver.country), "USD")


def write_note(
    rng: Random, plain: tuple[str, ...], personal: tuple[str, ...], receiver: Receiver
) -> tuple[str, dict[str, str]]:
    """A note in somebody's words and the personal data planted in it, by kind (phones, names, …)."""
    if not chance(rng, 0.35):
        return rng.choice(plain), {}
    template = rng.choice(personal)
    if receiver.country == "CN":
        family, given = chinese_name(rng)
        facts = {
            "phone": mobile(rng),
            "name": family + given,
            "address": f"{receiver.city}{detail_address(rng, 0)}",
            "id": id_number(rng),
        }
    else:
        name = f"{rng.choice(FIRST)} {rng.choice(LAST)}"
        facts = {
            "phone": f"+1{rng.randrange(2 * 10**9, 10**10)}",
            "name": name,
            "address": f"{rng.randrange(10, 990)} Orchard Lane",
        }
    kinds = {"phone": "phones", "name": "names", "address": "addresses", "id": "id_numbers"}
    planted = {kinds[field]: value for field, value in facts.items() if f"{{{field}}}" in template}
    return template.format(**facts, surname=facts["name"][0]), planted


def _customer_id(rng: Random) -> int:
    return 7_100_000_000_000 + rng.randrange(10**11)


def _email(rng: Random) -> str:
    return f"buyer{rng.randrange(10**9):09d}@example.test"
