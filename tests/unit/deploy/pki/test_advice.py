"""A failing disk gets a sentence that says what to do."""

from __future__ import annotations

import errno

import pytest

from deploy.pki.ceremony import advice


@pytest.mark.parametrize(
    ("number", "to_do"),
    [
        (errno.ENOSPC, "free space"),
        (errno.EDQUOT, "free space"),
        (errno.EACCES, "run this as the owner"),
        (errno.EROFS, "run this as the owner"),
        (errno.EIO, "Input/output error"),
    ],
)
def test_a_failure_of_the_disk_names_the_file_and_the_remedy(number: int, to_do: str) -> None:
    error = OSError(number, "Input/output error", "trust/roots.crt")

    assert to_do in advice(error)
    assert advice(error).endswith(": trust/roots.crt")
