"""Reading a node's salt key."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.foundation.audit.salts import Sealer, load_sealer
from services.foundation.refusals import Refusal


def test_a_key_file_opens_what_its_key_sealed(tmp_path: Path) -> None:
    (tmp_path / "salt.key").write_text(bytes(32).hex() + "\n")

    salt = load_sealer(tmp_path / "salt.key", "log").open(Sealer(bytes(32), "log").seal(bytes(range(32))))

    assert salt == bytes(range(32))


@pytest.mark.parametrize("content", [b"", b"00" * 31, b"zz" * 32, b"\xff"])
def test_a_file_that_is_no_key_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "salt.key").write_bytes(content)

    with pytest.raises(Refusal) as refused:
        load_sealer(tmp_path / "salt.key", "log")

    assert refused.value.reason == "SALT_UNREADABLE"
