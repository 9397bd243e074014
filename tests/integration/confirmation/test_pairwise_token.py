"""The key of the pairwise identifiers in a real PKCS #11 token, SoftHSM2."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from services.confirmation.pairwise import LABEL, Pairwise, TokenKey, TokenSettings
from services.foundation.refusals import Refusal
from tests.tokens import agency_token
from tests.unit.confirmation.makers import code, grant
from tools.pairwise_key import main


@pytest.fixture(scope="module")
def settings() -> TokenSettings:
    token = agency_token().settings
    made = TokenSettings(token.module, token.label, token.pin_file)
    TokenKey(made, 1).ensure()
    TokenKey(made, 2).ensure()
    return made


def test_an_identifier_of_the_token_is_the_same_every_time_and_another_in_another_version(
    settings: TokenSettings,
) -> None:
    found = [Pairwise(TokenKey(settings, version)).of(grant(), code()) for version in (1, 1, 2)]

    assert found[0] == found[1] != found[2]


def test_the_key_does_not_leave_the_token(settings: TokenSettings) -> None:
    import pkcs11

    token = pkcs11.lib(settings.module).get_token(token_label=settings.label)
    with token.open(user_pin=settings.pin_file.read_text("ascii")) as session:
        key = session.get_key(object_class=pkcs11.ObjectClass.SECRET_KEY, label=f"{LABEL}1")
        with pytest.raises(pkcs11.exceptions.AttributeSensitive):
            key[pkcs11.Attribute.VALUE]


def test_making_the_key_again_keeps_it(settings: TokenSettings, capsys: pytest.CaptureFixture[str]) -> None:
    before = TokenKey(settings, 1).mac(b"x")

    arguments = ["--module", settings.module, "--token", settings.label, "--pin", str(settings.pin_file)]
    assert main(arguments) == 0

    assert "was there already" in capsys.readouterr().out
    assert TokenKey(settings, 1).mac(b"x") == before


@pytest.mark.parametrize(
    "wrong", [{"label": "nowhere"}, {"module": "/nowhere.so"}, {"pin_file": Path("/nowhere")}, {"version": 9}]
)
def test_a_token_or_key_that_is_not_there_is_refused(settings: TokenSettings, wrong: dict[str, object]) -> None:
    version = wrong.pop("version", 1)
    changed = dataclasses.replace(settings, **wrong)  # type: ignore[arg-type] # each row knows its field

    with pytest.raises(Refusal) as refused:
        Pairwise(TokenKey(changed, version)).of(grant(), code())  # type: ignore[arg-type] # as above

    assert (refused.value.reason, refused.value.facts["where"]) == ("PAIRWISE_KEY_ABSENT", "token")


def test_a_wrong_pin_is_refused_and_not_told(settings: TokenSettings, tmp_path: Path) -> None:
    pin = tmp_path / "pin"
    pin.write_text("99999999", "ascii")

    with pytest.raises(Refusal) as refused:
        TokenKey(dataclasses.replace(settings, pin_file=pin), 1).mac(b"x")

    assert refused.value.reason == "PAIRWISE_KEY_ABSENT"
    assert "99999999" not in f"{refused.value} {refused.value.facts}"
