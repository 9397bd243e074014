"""Why a resident record changes, and what follows from each reason."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ChangeKind(StrEnum):
    """What a change does to the resident record."""

    ENTRY = "ENTRY"
    """記載"""
    REMOVAL = "REMOVAL"
    """消除"""
    CORRECTION = "CORRECTION"
    """修正"""
    CODE = "CODE"
    """住民票コードの変更"""
    HOUSEHOLD = "HOUSEHOLD"
    """世帯の異動"""


class ChangeReason(StrEnum):
    """The reason of a change (異動事由), as the municipal standard lists them, without those of later law.

    Reasons that rewrite a record without a change of its content (改製, 再製) are no changes of the register's facts;
    naturalisation and loss of nationality are entries and removals by office.
    """

    BIRTH = "BIRTH"
    MOVE_IN = "MOVE_IN"
    MOVE_IN_FROM_ABROAD = "MOVE_IN_FROM_ABROAD"
    ENTRY_BY_OFFICE = "ENTRY_BY_OFFICE"
    EVENT_CANCELLED_RESTORING = "EVENT_CANCELLED_RESTORING"

    MOVE_OUT = "MOVE_OUT"
    MOVE_OUT_ABROAD = "MOVE_OUT_ABROAD"
    DEATH = "DEATH"
    REMOVAL_BY_OFFICE = "REMOVAL_BY_OFFICE"
    EVENT_CANCELLED_REMOVING = "EVENT_CANCELLED_REMOVING"

    RELOCATION = "RELOCATION"
    MINOR_CORRECTION = "MINOR_CORRECTION"
    CORRECTION_BY_OFFICE = "CORRECTION_BY_OFFICE"
    ERROR_CORRECTION = "ERROR_CORRECTION"
    NAME_CHANGE = "NAME_CHANGE"
    EVENT_CANCELLED_CORRECTING = "EVENT_CANCELLED_CORRECTING"

    HOUSEHOLD_SPLIT = "HOUSEHOLD_SPLIT"
    HOUSEHOLD_MERGE = "HOUSEHOLD_MERGE"
    HOUSEHOLD_CHANGE = "HOUSEHOLD_CHANGE"
    HEAD_CHANGE = "HEAD_CHANGE"

    CODE_CHANGE_REQUESTED = "CODE_CHANGE_REQUESTED"
    CODE_ENTERED_BY_OFFICE = "CODE_ENTERED_BY_OFFICE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What follows from a change reason."""

    kind: ChangeKind
    japanese: str
    """The words of the register."""
    leaves_municipality: bool
    """The person is no longer a resident of the municipality that notifies."""
    goes_up: bool
    """The change is notified to the prefecture and on to the agency (Act, art. 30-5 and 30-11)."""
    voids_certificate: bool
    """A signature certificate over the former attributes is void (異動等失効情報)."""
    planned_ahead: bool
    """The day of the event may lie after the day it is processed."""


def effect_of(reason: ChangeReason) -> Effect:
    """Gives what follows from `reason`."""
    return _EFFECTS[reason]


def _entry(japanese: str) -> Effect:
    return Effect(
        kind=ChangeKind.ENTRY,
        japanese=japanese,
        leaves_municipality=False,
        goes_up=True,
        voids_certificate=False,
        planned_ahead=False,
    )


def _removal(japanese: str, *, planned_ahead: bool = False) -> Effect:
    return Effect(
        kind=ChangeKind.REMOVAL,
        japanese=japanese,
        leaves_municipality=True,
        goes_up=True,
        voids_certificate=True,
        planned_ahead=planned_ahead,
    )


def _correction(japanese: str, *, voids_certificate: bool = True) -> Effect:
    return Effect(
        kind=ChangeKind.CORRECTION,
        japanese=japanese,
        leaves_municipality=False,
        goes_up=True,
        voids_certificate=voids_certificate,
        planned_ahead=False,
    )


def _household(japanese: str) -> Effect:
    return Effect(
        kind=ChangeKind.HOUSEHOLD,
        japanese=japanese,
        leaves_municipality=False,
        goes_up=False,
        voids_certificate=False,
        planned_ahead=False,
    )


def _code(japanese: str) -> Effect:
    return Effect(
        kind=ChangeKind.CODE,
        japanese=japanese,
        leaves_municipality=False,
        goes_up=True,
        voids_certificate=False,
        planned_ahead=False,
    )


_EFFECTS: dict[ChangeReason, Effect] = {
    ChangeReason.BIRTH: _entry("出生"),
    ChangeReason.MOVE_IN: _entry("国内転入"),
    ChangeReason.MOVE_IN_FROM_ABROAD: _entry("国外転入等"),
    ChangeReason.ENTRY_BY_OFFICE: _entry("職権記載"),
    ChangeReason.EVENT_CANCELLED_RESTORING: _entry("異動の取消し（増）"),
    ChangeReason.MOVE_OUT: _removal("国内転出", planned_ahead=True),
    ChangeReason.MOVE_OUT_ABROAD: _removal("国外転出", planned_ahead=True),
    ChangeReason.DEATH: _removal("死亡"),
    ChangeReason.REMOVAL_BY_OFFICE: _removal("職権消除"),
    ChangeReason.EVENT_CANCELLED_REMOVING: _removal("異動の取消し（減）"),
    ChangeReason.RELOCATION: _correction("転居"),
    # Renamed streets and merged municipalities (Enforcement Rules, art. 11-3-2): the person moved nowhere.
    ChangeReason.MINOR_CORRECTION: _correction("軽微な修正", voids_certificate=False),
    ChangeReason.CORRECTION_BY_OFFICE: _correction("職権修正"),
    ChangeReason.ERROR_CORRECTION: _correction("誤記修正"),
    ChangeReason.NAME_CHANGE: _correction("氏名変更"),
    ChangeReason.EVENT_CANCELLED_CORRECTING: _correction("異動の取消し（修正）"),
    ChangeReason.HOUSEHOLD_SPLIT: _household("世帯分離"),
    ChangeReason.HOUSEHOLD_MERGE: _household("世帯合併"),
    ChangeReason.HOUSEHOLD_CHANGE: _household("世帯変更"),
    ChangeReason.HEAD_CHANGE: _household("世帯主変更"),
    ChangeReason.CODE_CHANGE_REQUESTED: _code("住民票コードの変更請求"),
    ChangeReason.CODE_ENTERED_BY_OFFICE: _code("住民票コードの職権記載"),
}
