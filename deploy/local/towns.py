"""Real town names from which the addresses of synthetic residents are made; written as `town` or `town/blocks`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Town:
    """A town (町) and how many numbered blocks (丁目) it has; 0 when it has none."""

    name: str
    blocks: int


_TOWNS = {
    "131016": (
        "麹町/6 神田神保町/3 神田駿河台/4 九段北/4 九段南/4 飯田橋/4 富士見/2 一番町 三番町 外神田/6 岩本町/3 平河町/2"
    ),
    "131041": (
        "西新宿/8 高田馬場/4 神楽坂/6 四谷/4 早稲田鶴巻町 北新宿/4 大久保/3 市谷加賀町/2 下落合/4 "
        "若松町 百人町/4 矢来町"
    ),
    "141003": (
        "西区みなとみらい/6 中区山下町 港北区日吉/7 青葉区美しが丘/5 鶴見区鶴見中央/5 戸塚区戸塚町 金沢区富岡西/7 "
        "保土ケ谷区岩間町/2 神奈川区反町/4 都筑区中川中央/2 港北区菊名/7 南区弘明寺町"
    ),
    "142018": "追浜町/3 久里浜/9 衣笠栄町/4 浦賀/7 大津町/5 汐入町/5 若松町/3 武/5 長井/6 野比/5 馬堀海岸/4 鴨居/4",
}
_ANYWHERE = "本町/4 中央/3 緑町/3 栄町/4 旭町 寿町/2 泉町 若葉台/5 桜木町 上町 下町 新町/3"
"""Town names that nearly every municipality has, for those added to the topology."""


def towns_of(municipality_code: str) -> tuple[Town, ...]:
    """Returns the towns of a municipality that the generator knows."""
    text = _TOWNS.get(municipality_code, _ANYWHERE)
    return tuple(Town(name, int(blocks or 0)) for name, _, blocks in (each.partition("/") for each in text.split()))
