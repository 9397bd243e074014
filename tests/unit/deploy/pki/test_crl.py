"""A revocation list says what was revoked and why, and nothing ever leaves it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from deploy.pki.crl import REASONS, Revocation, Revocations, parse_reason, sign_list
from deploy.pki.refusals import ReasonUnknown
from deploy.pki.register import hexadecimal
from tests.unit.deploy.pki.makers import NOW, make_authority, make_settings

ISSUER = make_authority(make_settings())

serials = st.integers(1, 2**128 - 1).map(hexadecimal)
revocations = st.builds(
    Revocation,
    serial=serials,
    node=st.just("prefecture/13"),
    reason=st.sampled_from(sorted(REASONS)),
    revoked_at=st.just(NOW),
)


@given(st.lists(revocations, max_size=5))
def test_a_list_holds_every_revocation_with_its_reason(entries: list[Revocation]) -> None:
    held = Revocations(7).with_entries(*entries)

    signed = sign_list(held, ISSUER, NOW, timedelta(days=7))

    assert signed.is_signature_valid(ISSUER.certificate.public_key())  # type: ignore[arg-type]
    assert {hexadecimal(entry.serial_number): reason_of(entry) for entry in signed} == {
        entry.serial: entry.reason for entry in held.entries
    }


def reason_of(entry: x509.RevokedCertificate) -> str:
    try:
        return entry.extensions.get_extension_for_class(x509.CRLReason).value.reason.value
    except x509.ExtensionNotFound:
        return "unspecified"


@given(st.lists(revocations), st.lists(revocations))
def test_no_revocation_is_ever_replaced(first: list[Revocation], second: list[Revocation]) -> None:
    before = Revocations().with_entries(*first)

    after = before.with_entries(*second)

    assert after.entries[: len(before.entries)] == before.entries
    assert all(after.covers(entry.serial) for entry in second)


def test_a_list_carries_its_number_and_its_end() -> None:
    signed = sign_list(Revocations(41), ISSUER, NOW, timedelta(days=7))

    assert signed.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == 41
    assert signed.next_update_utc == NOW + timedelta(days=7)
    assert {extension.critical for extension in signed.extensions} == {False}


def test_an_invented_reason_is_refused() -> None:
    with pytest.raises(ReasonUnknown) as refused:
        parse_reason("boredom")

    assert refused.value.reason == "PKI_REASON_UNKNOWN"
