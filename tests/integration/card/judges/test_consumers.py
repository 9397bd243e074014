"""Consumers of PKCS #11 that know nothing of our card complete signatures with it."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_public_key

from services.card.terminal.applications import JpkiKey
from tests.integration.card.judges.conftest import InReader
from tests.integration.card.judges.programs import need, opensc_module, run
from tests.issued_cards import AUTHENTICATION_PIN, IssuedCard

_ENGINES = ("/usr/lib/x86_64-linux-gnu/engines-3/pkcs11.so", "/usr/lib/aarch64-linux-gnu/engines-3/pkcs11.so")


def test_ssh_keygen_lists_the_authentication_key(resident: IssuedCard, in_reader: InReader) -> None:
    public = resident.session().jpki().public_key(JpkiKey.AUTHENTICATION)
    with in_reader(resident.card):
        said = run("ssh-keygen", "-D", opensc_module()).stdout

    listed = [load_ssh_public_key(line.encode()) for line in said.splitlines() if line.startswith("ssh-rsa")]
    assert public in listed


def test_an_ssh_agent_signs_with_the_card(resident: IssuedCard, in_reader: InReader, tmp_path: Path) -> None:
    need("ssh-agent")
    document = tmp_path / "document"
    document.write_bytes(b"a synthetic document")
    agent = _start_agent(tmp_path)
    try:
        environment = {**agent, "SSH_ASKPASS": str(_askpass(tmp_path)), "SSH_ASKPASS_REQUIRE": "force"}
        with in_reader(resident.card):
            run("ssh-add", "-s", opensc_module(), environment=environment)
            key = run("ssh-add", "-L", environment=environment).stdout.splitlines()[0]
            (tmp_path / "key.pub").write_text(key + "\n")
            run("ssh-keygen", "-Y", "sign", "-f", tmp_path / "key.pub", "-n", "file", document, environment=environment)
    finally:
        os.kill(int(agent["SSH_AGENT_PID"]), signal.SIGTERM)

    (tmp_path / "allowed").write_text(f"synthetic@example {key}\n")
    verify = ("ssh-keygen", "-Y", "verify", "-f", tmp_path / "allowed", "-I", "synthetic@example", "-n", "file")
    signature = ("-s", tmp_path / "document.sig")
    assert "Good" in run(*verify, *signature, stdin=document.read_bytes()).stdout
    run(*verify, *signature, stdin=b"another document", code=255)


def test_the_engine_of_openssl_signs_with_the_card(resident: IssuedCard, in_reader: InReader, tmp_path: Path) -> None:
    engine = next((path for path in _ENGINES if Path(path).exists()), None)
    if engine is None:
        pytest.skip("not judged here: the engine pkcs11 of openssl (libengine-pkcs11-openssl) is not installed")
    document, signature = tmp_path / "document", tmp_path / "signature"
    document.write_bytes(b"a synthetic document")
    configuration = _configure(tmp_path, engine)
    public = resident.session().jpki().public_key(JpkiKey.AUTHENTICATION)
    (tmp_path / "public.pem").write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    with in_reader(resident.card):
        key = f"pkcs11:token=JPKI%20(User%20Authentication%20PIN);id=%01;type=private;pin-value={AUTHENTICATION_PIN}"
        sign = ("openssl", "dgst", "-engine", "pkcs11", "-keyform", "engine", "-sign", key, "-sha256")
        run(*sign, "-out", signature, document, environment={"OPENSSL_CONF": str(configuration)})

    verify = ("openssl", "dgst", "-sha256", "-verify", tmp_path / "public.pem", "-signature", signature)
    assert "Verified OK" in run(*verify, document).stdout


def _start_agent(directory: Path) -> dict[str, str]:
    module = str(Path(opensc_module()).resolve())
    said = subprocess.run(
        ["ssh-agent", "-s", "-a", str(directory / "agent"), "-P", f"{module},{opensc_module()}"],
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    ).stdout
    variables = dict(part.split("=", 1) for part in said.replace("\n", "").split(";") if "=" in part)
    return {name: variables[name] for name in ("SSH_AUTH_SOCK", "SSH_AGENT_PID")}


def _askpass(directory: Path) -> Path:
    path = directory / "askpass"
    path.write_text(f"#!/bin/sh\necho {AUTHENTICATION_PIN}\n")
    path.chmod(0o700)
    return path


def _configure(directory: Path, engine: str) -> Path:
    path = directory / "openssl.cnf"
    path.write_text(
        "openssl_conf = start\n[start]\nengines = engines\n[engines]\npkcs11 = pkcs11\n[pkcs11]\nengine_id = pkcs11\n"
        f"dynamic_path = {engine}\nMODULE_PATH = {opensc_module()}\ninit = 0\n"
    )
    return path
