"""A node's key and certificate, and their replacement."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

import pytest

from services.foundation.rpc.credentials import CredentialSource
from services.foundation.rpc.refusals import CredentialsUnreadable
from tests.certificates import Network, make_network, make_root, replace_file

NODE = "municipal/131016"


@pytest.fixture
def network(tmp_path: Path) -> Network:
    return make_network(tmp_path)


def test_the_same_files_are_the_same_credentials(network: Network) -> None:
    source = CredentialSource(network.keys(NODE), network.trust)

    assert source.current() is source.current()


def test_a_new_pair_is_read_at_the_next_look(network: Network) -> None:
    keys = network.keys(NODE)
    source = CredentialSource(keys, network.trust)
    source.current()

    pair = network.leaf(NODE)
    pair.write(keys)

    assert source.current().certificates() == [pair.certificate, *pair.chain]
    assert source.current().key == pair.key_pem


def test_new_roots_are_read_too(network: Network) -> None:
    source = CredentialSource(network.keys(NODE), network.trust)
    second = make_root("second")

    replace_file(network.trust / "roots.crt", second.leaf_pem)

    assert source.current().roots == second.leaf_pem


@pytest.mark.parametrize("name", ["tls.key", "tls.crt"])
def test_a_file_that_does_not_fit_leaves_the_old_pair(
    network: Network, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    keys = network.keys(NODE)
    source = CredentialSource(keys, network.trust)
    before = source.current()
    other = network.leaf(NODE)

    replace_file(keys / "tls" / name, other.key_pem if name == "tls.key" else other.certificate_pem)

    assert source.current() is before
    assert source.current() is before
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == [
        "credentials.unreadable"
    ]


def test_a_pair_in_the_middle_of_a_replacement_is_read_again(network: Network) -> None:
    keys = network.keys(NODE)
    pair = network.leaf(NODE)
    replace_file(keys / "tls" / "tls.key", pair.key_pem)

    def finish() -> None:
        time.sleep(0.03)
        replace_file(keys / "tls" / "tls.crt", pair.certificate_pem)

    finishing = threading.Thread(target=finish)
    finishing.start()
    source = CredentialSource(keys, network.trust)
    finishing.join()

    assert source.current().certificates()[0] == pair.certificate


@pytest.mark.parametrize("name", ["tls.key", "tls.crt"])
def test_a_missing_file_is_refused_at_the_start(network: Network, name: str) -> None:
    keys = network.keys(NODE)
    (keys / "tls" / name).unlink()

    with pytest.raises(CredentialsUnreadable):
        CredentialSource(keys, network.trust)


def test_the_key_is_not_shown(network: Network) -> None:
    credentials = CredentialSource(network.keys(NODE), network.trust).current()

    assert "PRIVATE KEY" not in repr(credentials)
