"""What an application of the card is: a table of commands, each with its class, parameters, states and access."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from functools import cached_property
from typing import ClassVar

from services.card.apdu import Command, Response, StatusWord
from services.card.softcard.lifecycle import OPEN, State
from services.card.softcard.memory import Area


class Denied(Exception):  # noqa: N818 - names what is the case
    """A command that is answered with a status word other than 9000, and has no effect."""

    def __init__(self, sw: StatusWord) -> None:
        super().__init__(sw.name)
        self.sw = sw


class Prover(Enum):
    """Who has been proved to an application by mutual authentication."""

    ISSUER = auto()
    """Who has the security domain's keys: the municipality that issued the card."""
    SERVICE = auto()
    """Who has the keys of an own service."""
    TERMINAL = auto()
    """Who has a terminal certificate of the federation."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What the open session proves: who is there, and with which roles."""

    who: Prover
    roles: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, repr=False)
class Context:
    """The facts of the moment for one command: life cycle, proof, and the session's key for keys."""

    state: State
    proof: Proof | None
    dek: bytes

    @property
    def is_issuer(self) -> bool:
        """Tells whether the issuer is there."""
        return self.proof is not None and self.proof.who is Prover.ISSUER

    @property
    def is_service(self) -> bool:
        """Tells whether the own service is there."""
        return self.proof is not None and self.proof.who is Prover.SERVICE

    @property
    def is_in_use(self) -> bool:
        """Tells whether user commands work: always when active; before, only while the issuer personalises."""
        return self.state is State.ACTIVE or (self.state is State.PERSONALISED and self.is_issuer)


def anyone(_: Context) -> bool:
    """Lets everybody in."""
    return True


def issuer(context: Context) -> bool:
    """Lets the issuer in."""
    return context.is_issuer


def service(context: Context) -> bool:
    """Lets the own service in."""
    return context.is_service


def while_open(context: Context) -> bool:
    """Holds while the card is neither locked nor terminated."""
    return context.state in OPEN


def while_in_use(context: Context) -> bool:
    """Holds while user commands work."""
    return context.is_in_use


def require(condition: object, sw: StatusWord) -> None:
    """Raises `Denied` with the status word unless the condition holds."""
    if not condition:
        raise Denied(sw)


Handle = Callable[[Command, Context], Response]


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of an application's table; P1 or P2 of None is read by the handler itself."""

    ins: int
    p1: int | None
    p2: int | None
    handle: Handle
    cla: frozenset[int] = frozenset({0x00})
    state: Callable[[Context], bool] = while_open
    access: Callable[[Context], bool] = anyone

    def matches(self, command: Command) -> bool:
        """Tells whether the parameters are this row's."""
        return self.p1 in {None, command.p1} and self.p2 in {None, command.p2}


INTERINDUSTRY = frozenset({0x00})
PROPRIETARY = frozenset({0x80})
EITHER = INTERINDUSTRY | PROPRIETARY


class Applet:
    """One selection of an application on one logical channel, as its table of rules; subclasses give `rules`."""

    prover: ClassVar[Prover] = Prover.ISSUER
    """Whom a session under SCP03 proves here."""

    def __init__(self, aid: bytes, area: Area) -> None:
        self.aid = aid
        self._area = area

    def rules(self) -> tuple[Rule, ...]:
        """Lists the commands."""
        raise NotImplementedError

    @cached_property
    def _by_instruction(self) -> dict[int, list[Rule]]:
        rows: dict[int, list[Rule]] = {}
        for rule in self.rules():
            rows.setdefault(rule.ins, []).append(rule)
        return rows

    def is_ready(self) -> bool:
        """Tells whether the application holds what it needs for the card to become active."""
        return True

    def forget(self) -> None:
        """Forgets what a person has proved, because who is at the other end may have changed."""

    def process(self, command: Command, context: Context) -> Response:
        """Finds the command's row and does it; raises `Denied` in the order of the specification."""
        rows = self._by_instruction.get(command.ins, [])
        require(rows, StatusWord.INSTRUCTION)
        rows = [rule for rule in rows if command.cla in rule.cla]
        require(rows, StatusWord.CLASS)
        rows = [rule for rule in rows if rule.matches(command)]
        require(rows, StatusWord.PARAMETERS)
        require(rows[0].state(context), StatusWord.CONDITIONS)
        require(rows[0].access(context), StatusWord.SECURITY_STATUS)
        return rows[0].handle(command, context)
