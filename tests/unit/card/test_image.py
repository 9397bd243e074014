"""The card as a file: sealed, held by one, and whole whenever the power goes."""

import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.card import tlv
from services.card.softcard import jpki, jukinet
from services.card.softcard.card import SoftCard
from services.card.softcard.image import ImageFile, ImageInUse, PosixDisk
from services.card.softcard.lifecycle import State
from services.card.softcard.memory import Area, Cells, Memory, MemoryFault, decode, encode
from services.vocabulary.resident_code import ResidentCode
from tests.cards import (
    AUTHENTICATION_PIN,
    CLINIC,
    LIBRARY,
    RESIDENT_CODE,
    SIGN_PIN,
    Bench,
    Terminal,
    fresh_resident,
    install_data,
    key_set,
    key_set_data,
)
from tests.doubles.card_storage import MemoryStorage, PowerLost
from tests.terminals import NOW

_SECRET = bytes(range(32))


class _TearingDisk(PosixDisk):
    """A disk whose power goes at one operation: before it, in the middle of it, or after it."""

    def __init__(self, at: int, part: str) -> None:
        self._at, self._part, self._done = at, part, 0

    def _step(self, do: Callable[[], None], half: Callable[[], None]) -> None:
        index, self._done = self._done, self._done + 1
        if index != self._at:
            do()
            return
        {"before": lambda: None, "middle": half, "after": do}[self._part]()
        raise PowerLost

    def write(self, path: Path, content: bytes) -> None:
        whole = super().write
        self._step(lambda: whole(path, content), lambda: whole(path, content[: len(content) // 2]))

    def rename(self, source: Path, target: Path) -> None:
        whole = super().rename
        self._step(lambda: whole(source, target), lambda: None)

    def sync_directory(self, directory: Path) -> None:
        whole = super().sync_directory
        self._step(lambda: whole(directory), lambda: None)


@pytest.mark.parametrize("part", ["before", "middle", "after"])
@pytest.mark.parametrize("at", [0, 1, 2])
def test_killed_at_any_operation_the_old_or_the_new_is_there(tmp_path: Path, at: int, part: str) -> None:
    path = tmp_path / "card"
    with ImageFile(path, _SECRET) as image:
        image.save(b"old")
    torn = ImageFile(path, _SECRET, _TearingDisk(at, part))
    torn.load()

    with pytest.raises(PowerLost):
        torn.save(b"new")
    torn.close()

    with ImageFile(path, _SECRET) as image:
        is_in_place = at == 2 or (at == 1 and part == "after")
        assert image.load() == (b"new" if is_in_place else b"old")
        image.save(b"newer")
        assert image.load() == b"newer"


def test_what_was_saved_comes_back_and_nothing_of_it_is_legible(tmp_path: Path) -> None:
    path = tmp_path / "card"
    with ImageFile(path, _SECRET) as image:
        assert not image.exists()
        image.save(RESIDENT_CODE * 4)
        assert image.exists()

    assert RESIDENT_CODE not in path.read_bytes()
    assert path.stat().st_mode & 0o077 == 0
    with ImageFile(path, _SECRET) as image:
        assert image.load() == RESIDENT_CODE * 4


def test_equal_contents_are_sealed_differently(tmp_path: Path) -> None:
    path = tmp_path / "card"
    with ImageFile(path, _SECRET) as image:
        image.save(b"same")
        first = path.read_bytes()
        image.save(b"same")

    assert path.read_bytes() != first
    assert path.read_bytes()[9:17] == (2).to_bytes(8, "big"), "the generation counts"


@given(position=st.integers(0, 60), bit=st.integers(0, 7))
def test_every_changed_bit_is_noticed(tmp_path_factory: pytest.TempPathFactory, position: int, bit: int) -> None:
    path = tmp_path_factory.mktemp("image") / "card"
    with ImageFile(path, _SECRET) as image:
        image.save(b"x" * 16)
        raw = bytearray(path.read_bytes())
        raw[position % len(raw)] ^= 1 << bit
        path.write_bytes(raw)

        with pytest.raises(MemoryFault):
            image.load()


@pytest.mark.parametrize("size", [0, 5, 17, 28, 40])
def test_a_cut_file_is_no_card(tmp_path: Path, size: int) -> None:
    path = tmp_path / "card"
    with ImageFile(path, _SECRET) as image:
        image.save(b"x" * 16)
        path.write_bytes(path.read_bytes()[:size])

        with pytest.raises(MemoryFault):
            image.load()


def test_another_secret_opens_nothing_and_a_short_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "card"
    with ImageFile(path, _SECRET) as image:
        image.save(b"content")

    with ImageFile(path, _SECRET[::-1]) as other, pytest.raises(MemoryFault):
        other.load()
    with pytest.raises(ValueError, match="32"):
        ImageFile(path, b"short")


def test_a_card_that_is_not_there_or_cannot_be_written_is_a_fault(tmp_path: Path) -> None:
    with ImageFile(tmp_path / "card", _SECRET) as image:
        with pytest.raises(MemoryFault):
            image.load()
        (tmp_path / "card.new").mkdir()
        with pytest.raises(MemoryFault):
            image.save(b"content")


def test_one_holds_a_card_at_a_time(tmp_path: Path) -> None:
    with ImageFile(tmp_path / "card", _SECRET), pytest.raises(ImageInUse):
        ImageFile(tmp_path / "card", _SECRET)
    with ImageFile(tmp_path / "card", _SECRET) as image:
        assert not image.exists()


_WRITER = """
import sys
from pathlib import Path
from services.card.softcard.image import ImageFile
image = ImageFile(Path(sys.argv[1]), bytes(range(32)))
number = int.from_bytes(image.load()[:8], "big")
print("ready", flush=True)
while True:
    number += 1
    image.save(number.to_bytes(8, "big") * 4096)
    print(number, flush=True)
"""


def test_a_process_killed_while_it_writes_leaves_what_it_acknowledged_or_the_next(tmp_path: Path) -> None:
    """Kills a real process; a counter that was acknowledged never comes back lower."""
    path = tmp_path / "card"
    with ImageFile(path, _SECRET) as image:
        image.save(bytes(8) * 4096)
    for _ in range(5):
        root = Path(__file__).parents[3]
        process = subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(path)],
            stdout=subprocess.PIPE,
            cwd=root,
            env={**os.environ, "PYTHONPATH": str(root)},
        )
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(8)]
        process.send_signal(signal.SIGKILL)
        said += process.stdout.readlines()
        process.wait(timeout=20)
        process.stdout.close()
        acknowledged = max(int(line) for line in said if line.strip().isdigit())

        with ImageFile(path, _SECRET) as image:
            content = image.load()
        number = int.from_bytes(content[:8], "big")
        assert content == content[:8] * 4096
        assert number in {acknowledged, acknowledged + 1}


def test_a_whole_card_lives_in_a_file(tmp_path: Path) -> None:
    with ImageFile(tmp_path / "card", _SECRET) as image:
        image.save(fresh_resident().storage.load())
        terminal = Terminal(_powered(image)).select(jpki.AID)
        assert terminal.verify(jpki.AUTHENTICATION_PIN, b"9999") == 0x63C2

    with ImageFile(tmp_path / "card", _SECRET) as image:
        terminal = Terminal(_powered(image)).select(jpki.AID).select_ef(jpki.AUTHENTICATION_PIN)
        assert terminal.send(0x00, 0x20, 0x00, 0x80).sw == 0x63C2


def _powered(image: ImageFile) -> SoftCard:
    card = SoftCard(image)
    card.power_on()
    return card


# --- every command that writes, torn at every write ---


def _verify(bench: Bench) -> None:
    Terminal(bench.card).select(jpki.AID).verify(jpki.AUTHENTICATION_PIN, AUTHENTICATION_PIN)


def _wrong_pin(bench: Bench) -> None:
    Terminal(bench.card).select(jpki.AID).verify(jpki.AUTHENTICATION_PIN, b"9999")


def _change_pin(bench: Bench) -> None:
    terminal = Terminal(bench.card).select(jpki.AID)
    terminal.verify(jpki.SIGN_PIN, SIGN_PIN)
    terminal.ok(0x00, 0x24, 0x01, 0x80, b"NEWPIN7")


def _files(bench: Bench) -> None:
    files = (
        tlv.Grouping(jukinet.RESIDENT_CODE, ResidentCode.from_body("9876543210").digits.encode()),
        tlv.Grouping(jukinet.PHOTOGRAPH, b""),
    )
    bench.issuer(jukinet.AID).ok(0x80, 0xE2, 0x80, 0x00, b"".join(file.encode() for file in files))


def _key(bench: Bench) -> None:
    bench.issuer(jpki.AID).select_ef(jpki.SIGN_KEY).ok(0x00, 0x47, 0x80, 0x00, le=65_536)


def _issuer_keys(bench: Bench) -> None:
    bench.issuer().ok(0x80, 0xD8, 0x01, 0x81, key_set_data(2, key_set(), bench.keys.dek))


def _delete(bench: Bench) -> None:
    bench.issuer().ok(0x80, 0xE4, 0, 0, tlv.encode(0x4F, CLINIC))


def _install(bench: Bench) -> None:
    parameters = tlv.encode(0x80, b"\1\0") + tlv.encode(0x81, key_set_data(1, key_set(), bench.keys.dek))
    bench.issuer().ok(0x80, 0xE6, 0x0C, 0, install_data(LIBRARY[:-1] + b"\x09", parameters))


def _create(bench: Bench) -> None:
    bench.service(LIBRARY).ok(0x00, 0xE0, 0, 0, bytes.fromhex("620F820101830201018002001686020303"))


def _lock(bench: Bench) -> None:
    bench.issuer().ok(0x80, 0xF0, 0x80, State.LOCKED)


def _terminate(bench: Bench) -> None:
    bench.issuer().ok(0x80, 0xF0, 0x80, State.TERMINATED)


def _terminal(bench: Bench) -> None:
    bench.juki(not_before=NOW + timedelta(days=1))


_ACTS = (
    *(_verify, _wrong_pin, _change_pin, _files, _key, _issuer_keys),
    *(_delete, _install, _create, _lock, _terminate, _terminal),
)


@pytest.mark.parametrize("act", _ACTS, ids=[act.__name__.strip("_") for act in _ACTS])
def test_torn_at_any_write_a_command_has_all_of_its_effect_or_none(act: Callable[[Bench], None]) -> None:
    whole = fresh_resident()
    before = _storage(whole).saves
    states = [_shape(_storage(whole).content)]
    act(whole)
    writes = _storage(whole).saves - before
    assert writes == _WRITES.get(act, 1)

    for write in range(writes):
        assert _torn(act, write, applied=False) == states[-1]
        states.append(_torn(act, write, applied=True))

    assert states[-1] == _shape(_storage(whole).content)
    assert all(former != latter for former, latter in itertools.pairwise(states))


_WRITES: dict[Callable[[Bench], None], int] = {_verify: 2, _change_pin: 3}
"""How often a command's effect is made durable: once, but for PINs, whose try is counted first."""


def _torn(act: Callable[[Bench], None], write: int, *, applied: bool) -> dict[tuple[bytes, str], object]:
    """Tears the card out at a write, and returns what it comes back with; it must work."""
    bench = fresh_resident()
    _storage(bench).cut(at=write, applied=applied)
    with pytest.raises(PowerLost):
        act(bench)
    _storage(bench).mend()
    bench.insert()
    assert Terminal(bench.card).send(0x00, 0xCA, 0x9F, 0x70).sw == 0x9000
    return _shape(_storage(bench).content)


def _storage(bench: Bench) -> MemoryStorage:
    assert isinstance(bench.storage, MemoryStorage)
    return bench.storage


def _shape(content: bytes) -> dict[tuple[bytes, str], object]:
    """Takes out what is random in a memory: of salts and keys, their length and whether they are the first ones."""
    first = decode(_storage(fresh_resident()).content)
    return {
        cell: (len(value), value == first.get(cell)) if "hash" in cell[1] or "key/" in cell[1] else value
        for cell, value in decode(content).items()
    }


# --- memory ---

_CELLS = st.dictionaries(
    st.tuples(st.binary(min_size=1, max_size=16), st.from_regex(r"[a-z0-9/]{1,12}", fullmatch=True)),
    st.binary(max_size=40),
    max_size=6,
)


@given(_CELLS)
def test_every_memory_reads_back_as_it_was_written(cells: Cells) -> None:
    assert decode(encode(cells)) == cells


@given(st.binary(max_size=60))
def test_octets_that_are_no_memory_are_a_fault(content: bytes) -> None:
    try:
        cells = decode(content)
    except MemoryFault:
        return
    assert decode(encode(cells)) == cells


@given(
    st.lists(
        st.tuples(st.sampled_from(["put", "remove", "commit", "rollback", "reload"]), st.integers(0, 3)), max_size=20
    )
)
def test_memory_follows_its_model(steps: list[tuple[str, int]]) -> None:
    storage = MemoryStorage()
    memory = Memory(storage)
    area, other = Area(memory, b"a"), Area(memory, b"b")
    durable: dict[str, bytes] = {}
    current: dict[str, bytes] = {}
    for count, (step, cell) in enumerate(steps):
        match step:
            case "put":
                current[f"c{cell}"] = bytes((count,))
                area.put(f"c{cell}", bytes((count,)))
            case "remove":
                current.pop(f"c{cell}", None)
                area.put(f"c{cell}", None)
            case "commit":
                durable = dict(current)
                area.commit()
            case "rollback":
                current = dict(durable)
                memory.rollback()
            case _:
                current = dict(durable)
                memory.reload()
        assert {name: area.get(name) for name in area.names()} == current
        assert area.size() == len(current)
        assert {name: value for (_, name), value in decode(storage.content).items()} == durable
        assert other.names() == []
