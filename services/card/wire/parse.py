"""What a request's fields say, as values that have been checked for their form."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from typing import TypeVar

from juki.card.v1 import applet_service_pb2 as applet_pb
from juki.card.v1 import card_pb2
from juki.card.v1 import card_service_pb2 as card_pb
from juki.card.v1 import issuing_service_pb2 as issuing_pb
from juki.common.v1 import civil_date_pb2
from services.card.refusals import CardBatchTooLarge, ItemTwice
from services.card.rules.profile import CertificateName, KeyName, OperatorCard, PinName, Profile, ResidentCard
from services.card.terminal.own_service import NEVER, Access
from services.card.terminal.secret import Pin
from services.foundation.refusals import FieldMalformed, FieldMissing
from services.vocabulary.civil_date import CivilDate
from services.vocabulary.malformed import Malformed
from services.vocabulary.resident_code import ResidentCode

T = TypeVar("T")

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
_HOLDER = re.compile(rf"(residents|operators)/{_UUID}")
_REQUEST_ID = re.compile(_UUID)
_BATCH = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_MOST_ITEMS = 100

_PINS = {
    card_pb2.PIN_JUKI_NET: PinName.JUKI_NET,
    card_pb2.PIN_AUTHENTICATION: PinName.AUTHENTICATION,
    card_pb2.PIN_SIGNATURE: PinName.SIGNATURE,
    card_pb2.PIN_OPERATOR: PinName.OPERATOR,
}
_KEYS = {
    card_pb2.KEY_AUTHENTICATION: KeyName.AUTHENTICATION,
    card_pb2.KEY_SIGNATURE: KeyName.SIGNATURE,
    card_pb2.KEY_OPERATOR: KeyName.OPERATOR,
}
_CERTIFICATES = {
    card_pb2.CERTIFICATE_AUTHENTICATION: CertificateName.AUTHENTICATION,
    card_pb2.CERTIFICATE_AUTHENTICATION_AUTHORITY: CertificateName.AUTHENTICATION_AUTHORITY,
    card_pb2.CERTIFICATE_SIGNATURE: CertificateName.SIGNATURE,
    card_pb2.CERTIFICATE_SIGNATURE_AUTHORITY: CertificateName.SIGNATURE_AUTHORITY,
    card_pb2.CERTIFICATE_OPERATOR: CertificateName.OPERATOR,
}
_ALGORITHMS = {
    card_pb.HASH_ALGORITHM_SHA256: "sha256",
    card_pb.HASH_ALGORITHM_SHA384: "sha384",
    card_pb.HASH_ALGORITHM_SHA512: "sha512",
}
_ACCESS = {
    applet_pb.FILE_ACCESS_FREE: 0,
    applet_pb.FILE_ACCESS_PIN: int(Access.PIN),
    applet_pb.FILE_ACCESS_SERVICE: int(Access.SERVICE),
    applet_pb.FILE_ACCESS_PIN_AND_SERVICE: int(Access.PIN | Access.SERVICE),
    applet_pb.FILE_ACCESS_NEVER: NEVER,
}


@contextmanager
def field(path: str) -> Iterator[None]:
    """Refuses FIELD_MALFORMED, with the path of the field, for what the vocabulary does not take."""
    try:
        yield
    except Malformed as malformed:
        raise FieldMalformed(malformed.advice, field=path, form=malformed.reason) from None


def pin_name(value: card_pb2.Pin.ValueType) -> PinName:
    """Reads which PIN is meant."""
    return _known(_PINS.get(value), "pin")


def key_name(value: card_pb2.Key.ValueType) -> KeyName:
    """Reads which key pair is meant."""
    return _known(_KEYS.get(value), "key")


def certificate_name(value: card_pb2.Certificate.ValueType) -> CertificateName:
    """Reads which certificate is meant."""
    return _known(_CERTIFICATES.get(value), "certificate")


def algorithm(value: card_pb.HashAlgorithm.ValueType) -> str:
    """Reads how a digest was made."""
    return _known(_ALGORITHMS.get(value), "hash_algorithm")


def file_access(value: applet_pb.FileAccess.ValueType, path: str) -> int:
    """Reads what reading or writing a file asks for, as the card's access octet."""
    return _known(_ACCESS.get(value), path)


def new_pins(message: issuing_pb.NewPins) -> Mapping[PinName, Pin]:
    """Takes over those PINs that are given."""
    given = {name: getattr(message, name.value) for name in PinName}
    return {name: Pin(value) for name, value in given.items() if value}


def holder(value: str, path: str = "holder") -> str:
    """Reads the name of the record for which a card is issued; a random one tells nothing of the person."""
    if not _HOLDER.fullmatch(value):
        raise FieldMalformed("give residents/{uuid4} or operators/{uuid4}", field=path, form="HOLDER_MALFORMED")
    return value


def batch(value: str) -> str:
    """Reads the name of a batch; empty for none."""
    if value and not _BATCH.fullmatch(value):
        raise FieldMalformed(
            "give up to 40 lower-case letters, digits and hyphens", field="batch", form="BATCH_MALFORMED"
        )
    return value


def profile(request: issuing_pb.IssueCardRequest) -> Profile:
    """Reads what a card is to hold; refuses FIELD_MISSING when nothing is said."""
    match request.WhichOneof("profile"):
        case "resident":
            return resident(request.resident, "resident")
        case "operator":
            return OperatorCard()
        case _:
            raise FieldMissing("say what kind of card", fields="resident or operator")


def resident(message: issuing_pb.ResidentProfile, path: str) -> ResidentCard:
    """Reads what a resident's card is to hold."""
    with field(f"{path}.resident_code"):
        code = ResidentCode(message.resident_code)
    return ResidentCard(code, day(message.expiry_date, f"{path}.expiry_date"), message.photograph, message.jpki)


def day(message: civil_date_pb2.CivilDate, path: str) -> date:
    """Reads a day that is known as a whole."""
    with field(path):
        return CivilDate(message.year, message.month or None, message.day or None).to_date()


def items(messages: Sequence[issuing_pb.BatchItem]) -> list[tuple[issuing_pb.BatchItem, ResidentCard]]:
    """Reads the items of a batch; refuses BATCH_TOO_LARGE and LISTED_TWICE."""
    if len(messages) > _MOST_ITEMS:
        raise CardBatchTooLarge("issue at most 100 cards a request", limit=_MOST_ITEMS)
    for what in ("request_id", "holder"):
        if len({getattr(each, what) for each in messages}) != len(messages):
            raise ItemTwice("give each card a request id and a holder of its own", field=f"items[].{what}")
    return [(each, _item(each, f"items[{index}]")) for index, each in enumerate(messages)]


def _item(message: issuing_pb.BatchItem, path: str) -> ResidentCard:
    if not _REQUEST_ID.fullmatch(message.request_id):
        raise FieldMalformed("give a UUID4 in lower case", field=f"{path}.request_id", form="REQUEST_ID_MALFORMED")
    holder(message.holder, f"{path}.holder")
    return resident(message.resident, f"{path}.resident")


def _known(value: T | None, path: str) -> T:
    if value is None:
        raise FieldMalformed("name one that the method knows", field=path, form="VALUE_UNKNOWN")
    return value
