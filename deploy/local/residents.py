"""Synthetic residents: the same seed always gives the same households, and nobody in them exists."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from deploy.local.names import FAMILY, VARIANT_FAMILY, Written, given_names
from deploy.local.towns import towns_of

_NUMERALS = "〇一二三四五六七八九"
_FULL_WIDTH = str.maketrans("0123456789", "０１２３４５６７８９")
_BUILDINGS = (
    "コーポ桜",
    "ハイツ緑",
    "メゾン富士",
    "パークサイド",
    "グリーンヒルズ",
    "サンライズマンション",
    "第二青葉荘",
)
_ORIGINS = (
    ("011002", "北海道札幌市中央区北一条西"),
    ("041009", "宮城県仙台市青葉区国分町"),
    ("231002", "愛知県名古屋市中区栄"),
    ("261009", "京都府京都市左京区下鴨"),
    ("271004", "大阪府大阪市北区天神橋"),
    ("341002", "広島県広島市南区宇品"),
    ("401307", "福岡県福岡市博多区祇園町"),
    ("472018", "沖縄県那覇市首里"),
)
"""Municipalities outside the example network, from which people come."""
_VARIANTS_IN = 12
"""One household in so many has a family name in variant characters."""


@dataclass(frozen=True, slots=True, repr=False)
class Person:
    """One synthetic resident."""

    name: str
    kana: str
    sex: str
    """男 or 女."""
    birth: date
    birth_day_known: bool
    """False for some of the oldest, of whose birth only the year is recorded."""
    relation: str
    """Relation to the head (続柄); 世帯主 is the head."""


@dataclass(frozen=True, slots=True, repr=False)
class Arrival:
    """A synthetic household that moves in."""

    request_id: str
    address: str
    former_municipality_code: str
    former_address: str
    moved_on: date
    people: tuple[Person, ...]


def arrivals(municipality_code: str, title: str, count: int, seed: int, anchor: date) -> Iterator[Arrival]:
    """Yields households with `count` people in all, who moved to the municipality in the weeks before `anchor`."""
    chance = random.Random(f"{seed}/{municipality_code}")  # noqa: S311 - it makes examples, not secrets
    left = count
    while left > 0:
        arrival = _arrival(chance, municipality_code, title, anchor, left)
        left -= len(arrival.people)
        yield arrival


def _arrival(chance: random.Random, code: str, title: str, anchor: date, most: int) -> Arrival:
    moved_on = anchor - timedelta(days=chance.randint(1, 60))
    people = _people(chance, moved_on)[:most]
    origin, street = chance.choice(_ORIGINS)
    return Arrival(
        request_id=str(uuid.UUID(int=chance.getrandbits(128), version=4)),
        address=address_in(chance, code, title),
        former_municipality_code=origin,
        former_address=f"{street}{chance.randint(1, 40)}番地".translate(_FULL_WIDTH),
        moved_on=moved_on,
        people=tuple(people),
    )


def address_in(chance: random.Random, code: str, title: str) -> str:
    """Makes up an address in a real town of the municipality."""
    town = chance.choice(towns_of(code))
    block = f"{_NUMERALS[chance.randint(1, town.blocks)]}丁目" if town.blocks else ""
    number = f"{chance.randint(1, 30)}番{chance.randint(1, 20)}号" if block else f"{chance.randint(1, 400)}番地"
    building = ""
    if chance.random() < 0.5:
        building = f"　{chance.choice(_BUILDINGS)}{chance.randint(1, 9)}{chance.randint(1, 12):02}号室"
    return f"{title}{town.name}{block}{number}{building}".translate(_FULL_WIDTH)


def _people(chance: random.Random, moved_on: date) -> list[Person]:
    family = chance.choice(VARIANT_FAMILY if chance.randrange(_VARIANTS_IN) == 0 else FAMILY)
    age = int(chance.triangular(19, 95, 44))
    sex = chance.choice("男女")
    people = [_person(chance, family, sex, moved_on, age, "世帯主")]
    if chance.random() < 0.55:
        other, relation = ("女", "妻") if sex == "男" else ("男", "夫")
        people.append(_person(chance, family, other, moved_on, max(19, age + chance.randint(-6, 6)), relation))
        ages = sorted((age - chance.randint(24, 38) for _ in range(chance.choice((0, 1, 1, 2, 2, 3)))), reverse=True)
        young = [child for child in ages if 0 <= child <= 24]
        people += [_person(chance, family, chance.choice("男女"), moved_on, child, "子") for child in young]
    if 45 <= age <= 65 and chance.random() < 0.12:
        people.append(_person(chance, family, "女", moved_on, age + chance.randint(22, 33), "母"))
    return people


def _person(chance: random.Random, family: Written, sex: str, moved_on: date, age: int, relation: str) -> Person:
    birth = moved_on - timedelta(days=age * 365 + age // 4 + chance.randint(1, 364))
    given = chance.choice(given_names(sex, birth.year))
    known = age < 90 or chance.random() < 0.8
    return Person(f"{family.kanji}　{given.kanji}", f"{family.kana}　{given.kana}", sex, birth, known, relation)
