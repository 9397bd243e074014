"""Sex as the certificates code it."""

import pytest

from services.vocabulary.malformed import Malformed
from services.vocabulary.sex import Sex


@pytest.mark.parametrize(("number", "word"), [(1, "男"), (2, "女"), (9, "不明")])
def test_the_three_codes_are_read_and_printed(number: int, word: str) -> None:
    assert Sex.of(number).japanese == word


@pytest.mark.parametrize("number", [0, 3, -1, 10])
def test_other_codes_are_refused(number: int) -> None:
    with pytest.raises(Malformed) as refused:
        Sex.of(number)

    assert refused.value.reason == "SEX_CODE_UNKNOWN"
