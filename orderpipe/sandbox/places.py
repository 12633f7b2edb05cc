"""Where people live: regions of China and some places abroad, roads, vague addresses, public IP ranges by province."""

from typing import NamedTuple


class Province(NamedTuple):
    """name, English name and ISO 3166-2 letters; an IP range of the province as (first two octets low, high);
    cities → districts → towns."""

    name: str
    english: str
    code: str
    ip: tuple[int, int, int]
    cities: dict[str, dict[str, tuple[str, ...]]]


PROVINCES = [
    Province("浙江省", "Zhejiang", "ZJ", (115, 192, 199), {
        "杭州市": {"余杭区": ("仓前街道", "五常街道"), "西湖区": ("古荡街道", "文新街道"), "滨江区": ("长河街道",)},
        "宁波市": {"鄞州区": ("下应街道", "钟公庙街道"), "海曙区": ("望春街道", "白云街道")},
        "温州市": {"鹿城区": ("五马街道", "南汇街道")},
    }),
    Province("江苏省", "Jiangsu", "JS", (117, 80, 95), {
        "南京市": {"江宁区": ("秣陵街道", "东山街道"), "鼓楼区": ("江东街道", "凤凰街道")},
        "苏州市": {"吴中区": ("长桥街道", "木渎镇"), "昆山市": ("玉山镇", "花桥镇")},
    }),
    Province("上海市", "Shanghai", "SH", (116, 224, 239), {
        "上海市": {"浦东新区": ("花木街道", "张江镇"), "闵行区": ("莘庄镇", "七宝镇"), "徐汇区": ("田林街道",)},
    }),
    Province("安徽省", "Anhui", "AH", (114, 96, 103), {
        "合肥市": {"蜀山区": ("笔架山街道", "井岗镇"), "包河区": ("骆岗街道", "望湖街道")},
    }),
    Province("福建省", "Fujian", "FJ", (117, 24, 31), {
        "福州市": {"鼓楼区": ("东街街道", "温泉街道"), "仓山区": ("建新镇", "上渡街道")},
        "厦门市": {"思明区": ("莲前街道", "筼筜街道")},
    }),
    Province("山东省", "Shandong", "SD", (119, 176, 191), {
        "青岛市": {"市南区": ("八大峡街道", "香港中路街道"), "崂山区": ("中韩街道",)},
        "济南市": {"历下区": ("千佛山街道", "姚家街道")},
    }),
    Province("江西省", "Jiangxi", "JX", (117, 40, 43), {"南昌市": {"红谷滩区": ("沙井街道", "卫东街道")}}),
    Province("广东省", "Guangdong", "GD", (113, 64, 111), {
        "深圳市": {"南山区": ("粤海街道", "西丽街道"), "福田区": ("梅林街道", "莲花街道")},
        "广州市": {"天河区": ("五山街道", "猎德街道"), "番禺区": ("市桥街道", "大石街道")},
        "佛山市": {"南海区": ("桂城街道", "狮山镇")},
    }),
    Province("北京市", "Beijing", "BJ", (114, 240, 255), {
        "北京市": {"朝阳区": ("望京街道", "三里屯街道"), "海淀区": ("中关村街道", "清河街道")},
    }),
    Province("四川省", "Sichuan", "SC", (182, 128, 143), {
        "成都市": {"武侯区": ("桂溪街道", "浆洗街街道"), "锦江区": ("春熙路街道",)},
    }),
    Province("湖北省", "Hubei", "HB", (58, 48, 55), {
        "武汉市": {"洪山区": ("珞南街道", "关山街道"), "江岸区": ("大智街道",)},
    }),
    Province("湖南省", "Hunan", "HN", (113, 240, 247), {"长沙市": {"岳麓区": ("望城坡街道", "银盆岭街道")}}),
    Province("河南省", "Henan", "HA", (123, 8, 15), {"郑州市": {"金水区": ("经八路街道", "花园路街道")}}),
    Province("辽宁省", "Liaoning", "LN", (113, 224, 239), {"沈阳市": {"和平区": ("太原街街道", "南湖街道")}}),
    Province("陕西省", "Shaanxi", "SN", (113, 132, 143), {"西安市": {"雁塔区": ("小寨路街道", "电子城街道")}}),
    Province("新疆维吾尔自治区", "Xinjiang", "XJ", (110, 152, 155), {
        "乌鲁木齐市": {"天山区": ("新华南路街道", "和平路街道")},
    }),
]  # fmt: skip
BY_PROVINCE = {province.name: province for province in PROVINCES}

ROADS = (
    "人民路", "中山路", "建设路", "解放路", "文化路", "和平路", "学院路", "滨河路", "长江路", "黄河路", "湖滨路",
    "新华路", "体育场路", "科技园路", "文一西路", "中河中路", "环城北路", "莲花南路", "东风大道", "迎宾大道",
    "金桥路", "兴业街",
)  # fmt: skip
ESTATES = (
    "翠苑小区", "阳光花园", "碧桂园", "万科城", "金色家园", "绿城桂花园", "锦绣江南", "东方名苑", "保利香槟",
    "龙湖天街",
)  # fmt: skip
VAGUE = (
    "某某小区门口", "万达广场附近", "菜鸟驿站旁边", "第一小学对面", "地铁站出口", "村委会旁", "人民医院附近",
    "加油站对面", "农贸市场门口", "公园南门旁",
)  # fmt: skip


class Abroad(NamedTuple):
    """A place outside China: country, state in full and as a code, city, postcode, first octet of an IP range,
    currency the buyer sees, sales tax in basis points, streets."""

    country: str
    state: str
    code: str
    city: str
    zip: str
    ip: int
    currency: str
    tax: int
    streets: tuple[str, ...]


ABROAD = [
    Abroad("US", "California", "CA", "Los Angeles", "90012", 73, "USD", 950, ("S Spring St", "Wilshire Blvd")),
    Abroad("US", "New York", "NY", "Brooklyn", "11201", 24, "USD", 888, ("Court St", "Henry St", "Atlantic Ave")),
    Abroad("US", "Texas", "TX", "Austin", "78701", 70, "USD", 825, ("Congress Ave", "Lavaca St", "Rio Grande St")),
    Abroad("US", "Washington", "WA", "Seattle", "98101", 67, "USD", 1035, ("Pine St", "Pike St", "Union St")),
    Abroad("US", "Oregon", "OR", "Portland", "97205", 71, "USD", 0, ("SW Salmon St", "NW Davis St")),
    Abroad("GB", "England", "ENG", "Leeds", "LS1 4DY", 81, "GBP", 0, ("Park Row", "Wellington Street", "Boar Lane")),
    Abroad("DE", "", "", "Berlin", "10115", 91, "EUR", 0, ("Hauptstraße", "Invalidenstraße", "Torstraße")),
    Abroad("CA", "Ontario", "ON", "Toronto", "M5V 2T6", 99, "CAD", 0, ("King St W", "Queen St W")),
    Abroad("BR", "São Paulo", "SP", "São Paulo", "01310-100", 177, "USD", 0, ("Avenida Paulista", "Rua Augusta")),
    Abroad("KR", "Seoul", "KR-11", "Seoul", "04524", 121, "USD", 0, ("Sejong-daero", "Toegye-ro")),
]
# Places of buyers on platforms that sell in one country only.
SOUTH_EAST_ASIA = [
    Abroad("SG", "", "", "Singapore", "238823", 116, "SGD", 0, ("Orchard Road", "Serangoon Road", "Joo Chiat Road")),
    Abroad("SG", "", "", "Singapore", "520123", 118, "SGD", 0, ("Tampines Street 11", "Bedok North Avenue 3")),
    Abroad("MY", "Selangor", "", "Petaling Jaya", "47301", 175, "MYR", 0, ("Jalan Damansara", "Jalan Utara")),
    Abroad("MY", "Penang", "", "George Town", "10200", 60, "MYR", 0, ("Lebuh Chulia", "Jalan Burma")),
    Abroad("MY", "Johor", "", "Johor Bahru", "80100", 161, "MYR", 0, ("Jalan Wong Ah Fook", "Jalan Tebrau")),
]
