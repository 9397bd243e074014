"""The ceremony's file is read whole or refused with the key that is wrong."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.pki.refusals import SettingsMalformed
from deploy.pki.settings import parse_settings
from tests.unit.deploy.pki.makers import SETTINGS_TEXT


def test_the_shipped_file_names_two_prefectures_and_the_nation() -> None:
    settings = parse_settings(SETTINGS_TEXT)

    assert settings.authorities == ("13", "14", "national")
    assert settings.tls_lifetime == timedelta(days=30)
    assert settings.domain_of("13") == "13.juki.example"


@pytest.mark.parametrize(
    ("was", "becomes", "key"),
    [
        ("tls = 30", "", "days.tls"),
        ("tls = 30", "tls = 30\nleaf = 3", "days.leaf"),
        ("tls = 30", "tls = 0", "days.tls"),
        ("tls = 30", "tls = true", "days.tls"),
        ("tls = 30", "tls = 10", "renewal.tls"),
        ("recertify = 90", "recertify = 730", "renewal.recertify"),
        ("development = true", 'development = "yes"', "development"),
        ("development = true", "", "development"),
        ('"14", ', '"13", ', "authorities"),
        ('"14", ', '"../14", ', "authorities"),
        ('"14", ', "14, ", "authorities"),
        ('["13", "14", "national"]', "[]", "authorities"),
        ('"juki.example"', '"Juki.example"', "trust_domain"),
        ('"juki.example"', '"juki"', "trust_domain"),
        ("[days]", "days = 3\n[dais]", "dais"),
        ('"juki.example"', '"juki.example', ""),
    ],
)
def test_a_wrong_setting_is_refused_by_name(was: str, becomes: str, key: str) -> None:
    text = SETTINGS_TEXT.replace(was, becomes, 1)

    with pytest.raises(SettingsMalformed) as refused:
        parse_settings(text)

    assert refused.value.reason == "PKI_SETTINGS_MALFORMED"
    assert refused.value.facts["key"] == key


@given(st.integers(0, len(SETTINGS_TEXT) - 3))
def test_every_truncation_is_refused(length: int) -> None:
    with pytest.raises(SettingsMalformed):
        parse_settings(SETTINGS_TEXT[:length])
