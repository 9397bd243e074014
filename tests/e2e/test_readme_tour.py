"""The commands of the README do what it says, typed as they stand there."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deploy.local.layout import CHECKOUT
from tests.counters import make_entrant
from tests.e2e.callers import Callers
from tests.e2e.federation import CHIYODA, Federation

_BLOCK = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_PORTS = {"7001": "agency/national", "7101": f"municipal/{CHIYODA}"}
_BIN = Path(sys.executable).parent


@dataclass(frozen=True, slots=True)
class Command:
    """A command of the README, with the options that `…` stands for."""

    words: tuple[str, ...]

    @property
    def method(self) -> str:
        return self.words[-1].rpartition("/")[2]


def readme_commands() -> list[Command]:
    """The grpcurl commands of the README; `…` at the second place stands for the options of the last full one."""
    commands: list[Command] = []
    options: tuple[str, ...] = ()
    for block in _BLOCK.findall((CHECKOUT / "README.md").read_text("utf-8")):
        for line in block.replace("\\\n", " ").splitlines():
            words = tuple(shlex.split(line))
            if words[:1] != ("grpcurl",):
                continue
            if words[1] == "…":
                words = ("grpcurl", *options, *words[2:])
            else:
                options = tuple(words[1 : words.index("-d")] if "-d" in words else words[1:-2])
            commands.append(Command(words))
    return commands


def _adapted(command: Command, federation: Federation, code: str) -> list[str]:
    """The words with this federation's files and ports, and with a resident who exists."""
    root = str(federation.layout.root)
    words = [word.replace("var/dev", root).replace("…", code) for word in command.words[1:]]
    for port, node in _PORTS.items():
        words = [f"localhost:{federation.port(node)}" if word == f"localhost:{port}" else word for word in words]
    return words


def _camel(value: Any) -> Any:
    """Writes the names of fields as JSON has them; this grpcurl keeps those of the proto when it reads reflection."""
    if isinstance(value, list):
        return [_camel(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {re.sub(r"_([a-z])", lambda match: match[1].upper(), key): _camel(one) for key, one in value.items()}


async def run(*words: str) -> tuple[int, str]:
    """Runs a command in the root of the checkout; returns its exit code and all that it said."""
    process = await asyncio.create_subprocess_exec(
        *words, cwd=CHECKOUT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await asyncio.wait_for(process.communicate(), 30)
    return process.returncode or 0, said.decode()


async def test_every_command_of_the_readme_is_answered(callers: Callers) -> None:
    person = make_entrant(name="佐藤 試験")
    (resident,) = await callers.counter(CHIYODA).move_in(person, address="東京都千代田区丸の内1番1号")
    await callers.arrived(CHIYODA)
    commands = readme_commands()
    answers = {}
    for command in commands:
        words = _adapted(command, callers.federation, resident.resident_code)
        code, said = await run(str(_BIN / "grpcurl"), *words)
        assert code == 0, f"{command.method}: {said}"
        answers[command.method] = _camel(json.loads(said))

    assert len(commands) >= 4
    assert answers["ConfirmByCode"]["answer"]["outcome"] == "OUTCOME_MATCH"
    assert answers["ListPurposes"]["purposes"][0]["affairId"] == "b1-19"
    assert answers["GetInclusionProof"]["leafHash"]
    assert resident.name in {one["name"] for one in answers["SearchResidents"]["residents"]}


async def test_leaving_out_the_time_limit_is_told_with_its_reason(callers: Callers) -> None:
    command = next(one for one in readme_commands() if one.method == "ListPurposes")
    words = _adapted(command, callers.federation, "")
    at = words.index("-max-time")

    code, said = await run(str(_BIN / "grpcurl"), *words[:at], *words[at + 2 :])

    assert code != 0
    assert "DEADLINE_MISSING" in said


async def test_an_affair_of_somebody_else_is_told_with_its_reason(callers: Callers) -> None:
    command = next(one for one in readme_commands() if one.method == "ConfirmByCode")
    words = [word.replace("b1-19", "b1-98") for word in _adapted(command, callers.federation, "00000000000")]

    code, said = await run(str(_BIN / "grpcurl"), *words)

    assert code != 0
    assert "PURPOSE_NOT_GRANTED" in said


@pytest.mark.parametrize("node", ["agency/national", "prefecture/13", f"municipal/{CHIYODA}"])
async def test_every_tier_describes_itself_to_grpcurl(callers: Callers, node: str) -> None:
    options = _adapted(readme_commands()[0], callers.federation, "")
    options = options[: options.index("-d")]

    code, said = await run(str(_BIN / "grpcurl"), *options, f"localhost:{callers.federation.port(node)}", "list")

    assert code == 0, said
    assert "juki.audit.v1.AuditService" in said.split()


async def test_buf_curl_works_the_same_way(callers: Callers) -> None:
    layout, port = callers.federation.layout, callers.federation.port("agency/national")
    keys = layout.pki / "nodes" / "relying-local-pension"
    trust = ["--cacert", str(layout.trust / "roots.crt")]
    identity = [*trust, "--cert", str(keys / "tls.crt"), "--key", str(keys / "tls.key")]
    url = f"https://localhost:{port}/juki.confirmation.v1.ConfirmationService/ListPurposes"

    code, said = await run(
        str(_BIN / "buf"), "curl", "--protocol", "grpc", "--timeout", "5s", *identity, "-d", "{}", url
    )

    assert code == 0, said
    assert json.loads(said)["purposes"][0]["affairId"] == "b1-19"
