"""Reasons are stable and told once; the catalogues and the protos say what the code does."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2

from tests.house.tree import ROOT, packages
from tools.catalogue import actions, metrics, refusals, settings
from tools.gen_catalogue import PAGES, stale

_CATALOGUE = ROOT / "docs" / "catalogue"
_REASON = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*")


def _promised() -> list[tuple[str, str]]:
    """The file and reason of each reason that a comment of the protos promises."""
    image = descriptor_pb2.FileDescriptorSet.FromString((ROOT / actions.IMAGE).read_bytes())
    ours = [file for file in image.file if file.package.split(".")[:-1] in [["juki", one] for one in packages()]]
    comments = [
        (file.name, " ".join(one.leading_comments.split())) for file in ours for one in file.source_code_info.location
    ]
    return [
        (name, reason)
        for name, comment in comments
        for sentence in re.findall(r"Refuses with ([^.]*(?:`[^`]*`[^.]*)*)\.", comment)
        for reason in re.findall(r"[A-Z]{3,}(?:_[A-Z]+)+", sentence)
    ]


def test_the_catalogues_are_what_the_code_says() -> None:
    assert stale(_CATALOGUE) == [], "run `make docs`"


def test_a_stale_page_is_noticed(tmp_path: Path) -> None:
    for name, write in PAGES.items():
        (tmp_path / name).write_text(write(), "utf-8")
    (tmp_path / "metrics.md").write_text("old", "utf-8")
    (tmp_path / "settings.md").unlink()

    assert stale(tmp_path) == ["settings.md", "metrics.md"]


def test_a_reason_is_upper_snake() -> None:
    assert [one for one in refusals.found() if not _REASON.fullmatch(one.reason)] == []


def test_a_reason_is_one_class_in_its_room() -> None:
    seen = Counter((refusals.room_of(one), one.reason) for one in refusals.found())

    assert [key for key, count in seen.items() if count > 1] == []


def test_a_refusal_says_what_is_the_case() -> None:
    assert [one for one in refusals.found() if not refusals.text_of(one).endswith(".")] == []


def test_every_refusal_is_in_the_catalogue() -> None:
    page = (_CATALOGUE / "refusals.md").read_text("utf-8")

    assert [one.reason for one in refusals.found() if f"| `{one.reason}` |" not in page] == []


def test_what_the_protos_promise_to_refuse_with_exists() -> None:
    promised = _promised()
    known = {one.reason for one in refusals.found()}

    assert len(promised) > 100
    assert [(file, reason) for file, reason in promised if reason not in known] == []


def test_every_action_is_in_the_catalogue_with_what_was_done() -> None:
    page = (_CATALOGUE / "audit-actions.md").read_text("utf-8")
    found = actions.found(ROOT / actions.IMAGE)

    assert {"REPORT_MOVE_IN", "CONFIRM_BY_CODE", "ALLOT_CODES", "REFUSE"} <= {one.name for one in found}
    assert [one.name for one in found if f"| `{one.name}` |" not in page or len(one.text) < 10] == []


def test_every_setting_is_in_the_catalogue_with_what_it_means() -> None:
    page = (_CATALOGUE / "settings.md").read_text("utf-8")
    found = [one for _, settings_of in settings.found() for one in settings_of]

    assert len(found) > 15
    assert [one.name for one in found if f"| `{one.name}` |" not in page or not one.text] == []


@pytest.mark.parametrize("name", ["juki.outbox.lag", "juki.log.published", "rpc.server.duration"])
def test_the_metrics_that_operators_need_are_there(name: str) -> None:
    assert name in {one.name for one in metrics.found()}


def test_a_metric_is_made_once() -> None:
    seen = Counter(one.name for one in metrics.found())

    assert [name for name, count in seen.items() if count > 1] == []
