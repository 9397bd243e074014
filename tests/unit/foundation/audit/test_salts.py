"""Sealed salts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.foundation.audit.salts import Sealer
from services.foundation.refusals import Refusal

SEALER = Sealer(bytes(32), "log.juki.example/2026")
SEALED = SEALER.seal(bytes(range(32)))


def test_a_sealed_salt_opens_again() -> None:
    assert SEALER.open(SEALED) == bytes(range(32))


def test_a_salt_sealed_twice_does_not_look_the_same() -> None:
    assert SEALER.seal(bytes(32)) != SEALER.seal(bytes(32))


@given(st.integers(0, len(SEALED) - 1))
def test_every_truncation_of_a_sealed_salt_is_refused(length: int) -> None:
    with pytest.raises(Refusal) as refused:
        SEALER.open(SEALED[:length])

    assert refused.value.reason == "SALT_UNREADABLE"


@pytest.mark.parametrize("other", [Sealer(bytes([1] * 32), "log.juki.example/2026"), Sealer(bytes(32), "other")])
def test_another_key_or_another_log_does_not_open_it(other: Sealer) -> None:
    with pytest.raises(Refusal) as refused:
        other.open(SEALED)

    assert refused.value.reason == "SALT_UNREADABLE"
