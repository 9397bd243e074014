"""The chart is well-formed SVG whose bars are as long as what they stand for."""

from xml.etree import ElementTree as ET

import pytest

from tools.bench.chart import Bar, draw
from tools.bench.figures import Spread

_SVG = "{http://www.w3.org/2000/svg}"


def test_bars_are_in_proportion() -> None:
    picture = ET.fromstring(
        draw("title", [Bar("floor", Spread(100, 80, 120), False), Bar("ours", Spread(50, 50, 50), True)])
    )

    floor, ours = (float(bar.attrib["width"]) for bar in picture.iter(f"{_SVG}rect"))

    assert floor == pytest.approx(2 * ours, rel=0.01)


def test_a_label_with_markup_in_it_is_text() -> None:
    picture = ET.fromstring(draw("a < b", [Bar("<&>", Spread(1, 1, 1), False)]))

    assert "<&>" in [text.text for text in picture.iter(f"{_SVG}text")]


def test_nothing_to_draw_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        draw("title", [])
