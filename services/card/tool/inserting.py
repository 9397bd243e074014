"""How a card of the workshop is put into a virtual reader in the foreground, until Ctrl-C."""

from __future__ import annotations

import shlex
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

from rich.console import Console

from services.card.refusals import CardMute, CardUnknown, PcscUnavailable, ReaderBusy
from services.card.softcard.image import ImageInUse
from services.card.softcard.memory import MemoryFault
from services.card.tool.workshop import Workshop
from services.card.virtual.pcscd import MOST_READERS, SLOTS, PrivatePcscd
from services.card.virtual.vpcd import Dial, VirtualSlot, dial

_ADDRESS = "pcscd.address"


def insert_privately(workshop: Workshop, numbers: list[str], console: Console) -> None:
    """Starts a private pcscd, puts a card into each slot, says how to reach it, and waits for Ctrl-C."""
    if len(numbers) > MOST_READERS * SLOTS:
        raise CardUnknown(f"name at most {MOST_READERS * SLOTS} cards, one for each slot", cards=len(numbers))
    readers = -(-len(numbers) // SLOTS)
    with PrivatePcscd(readers) as service:
        address = workshop.directory / _ADDRESS
        address.write_text(str(service.socket_path), "utf-8")
        try:
            dials: list[Dial] = [partial(service.connect, slot) for slot in range(len(numbers))]
            _hold(workshop, dict(zip(numbers, dials, strict=True)), console, lambda: _explain(service, console))
        finally:
            address.unlink(missing_ok=True)


def insert_at(workshop: Workshop, number: str, host: str, port: int, console: Console) -> None:
    """Puts a card into a slot of a vpcd that runs already, and waits for Ctrl-C."""
    _hold(workshop, {number: dial(host, port)}, console, lambda: None)


def running_service(workshop: Workshop) -> Path | None:
    """Returns the address of the private pcscd that `insert` keeps in another window, None without one."""
    try:
        path = Path((workshop.directory / _ADDRESS).read_text("utf-8"))
    except OSError:
        return None
    return path if path.is_socket() else None


def _hold(workshop: Workshop, slots: dict[str, Dial], console: Console, explain: Callable[[], None]) -> None:
    held: list[tuple[VirtualSlot, Callable[[], None]]] = []
    try:
        for number, slot in slots.items():
            held.append(_insert(workshop, number, slot))
            console.print(f"[green]{number}[/] is in the reader. 挿入しました。", highlight=False)
        explain()
        console.print("Ctrl-C takes it out. 終了するには Ctrl-C。")
        threading.Event().wait()
    except KeyboardInterrupt:
        console.print("\nTaken out. 取り出しました。")
    finally:
        for virtual, close in held:
            virtual.remove()
            close()


def _insert(workshop: Workshop, number: str, slot: Dial) -> tuple[VirtualSlot, Callable[[], None]]:
    if number not in workshop.shelf.numbers():
        raise CardUnknown("name a card that is listed", card=number)
    try:
        card, image = workshop.shelf.take(number)
    except ImageInUse:
        raise ReaderBusy("remove the card from the reader that it is in first", card=number) from None
    except MemoryFault as fault:
        raise CardMute(str(fault), card=number) from None
    virtual = VirtualSlot(slot, card)
    try:
        virtual.insert()
    except TimeoutError:
        image.close()
        raise PcscUnavailable("see that pcscd with vpcd listens there, and on that port") from None
    return virtual, image.close


def _explain(service: PrivatePcscd, console: Console) -> None:
    address = shlex.quote(str(service.socket_path))
    reach = "from this service alone" if service.is_isolated else "from the whole network: keep the firewall closed"
    console.print(f"Its slots are reached {reach}. In another window:")
    for line in (f"export PCSCLITE_CSOCK_NAME={address}", "opensc-tool --name", "pkcs15-tool --dump"):
        console.print(f"  {line}", style="cyan", highlight=False, soft_wrap=True)
