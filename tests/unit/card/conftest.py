"""Cards that these tests look at; each test has one of its own."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.cards import Bench, fresh_operator, fresh_resident


@pytest.fixture
def resident() -> Bench:
    """An active resident card with two own services."""
    return fresh_resident()


@pytest.fixture
def operator_bench() -> tuple[Bench, ec.EllipticCurvePublicKey]:
    """An active operator card, and its public key."""
    return fresh_operator()
