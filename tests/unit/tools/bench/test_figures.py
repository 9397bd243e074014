"""Figures are medians and nearest ranks, never of values that were not measured."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.bench.figures import percentile, spread

_VALUES = st.lists(st.floats(0, 1e6), min_size=1, max_size=200)


@given(_VALUES, st.floats(0.01, 1.0))
def test_a_percentile_is_a_measured_value_that_enough_values_do_not_exceed(values: list[float], share: float) -> None:
    found = percentile(values, share)

    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) * (1 - 1e-12)
    assert sum(value < found for value in values) < share * len(values) * (1 + 1e-12)


def test_a_percentile_of_nothing_is_no_number() -> None:
    assert math.isnan(percentile([], 0.5))


@given(_VALUES)
def test_a_spread_has_its_median_between_its_ends(values: list[float]) -> None:
    found = spread(values)

    assert found.least == min(values)
    assert found.most == max(values)
    assert found.least <= found.median <= found.most


def test_a_spread_of_no_rounds_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing was measured"):
        spread([])
