"""A client that speaks just enough HTTP/2 over Python's own TLS to be refused: it can do what gRPC's TLS will not."""

from __future__ import annotations

import socket
import ssl
import struct
import tempfile
from pathlib import Path

from tests.certificates import Pair

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _SETTINGS = 0, 1, 4
_END_STREAM, _END_HEADERS = 1, 4


def ask(port: int, pair: Pair, root_pem: bytes, method: str, *, newest: ssl.TLSVersion) -> tuple[str, bytes]:
    """Calls a method with an empty message; returns the TLS version and the bytes of the answer."""
    with tempfile.TemporaryDirectory() as directory:
        chain, key = Path(directory) / "tls.crt", Path(directory) / "tls.key"
        chain.write_bytes(pair.certificate_pem)
        key.write_bytes(pair.key_pem)
        context = ssl.create_default_context(cadata=root_pem.decode())
        context.load_cert_chain(chain, key)
    context.maximum_version = newest
    context.set_alpn_protocols(["h2"])
    with (
        socket.create_connection(("127.0.0.1", port), timeout=5) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secure,
    ):
        secure.sendall(_PREFACE + _frame(_SETTINGS, 0, 0, b"") + _request(method))
        return secure.version() or "", _answer(secure)


def _request(method: str) -> bytes:
    headers = {
        ":method": "POST",
        ":scheme": "https",
        ":path": method,
        ":authority": "localhost",
        "te": "trailers",
        "content-type": "application/grpc",
        "grpc-timeout": "5S",
    }
    # RFC 7541 §6.2.2: literals without indexing, names and values as they are.
    block = b"".join(b"\x00" + _string(name) + _string(value) for name, value in headers.items())
    return _frame(_HEADERS, _END_HEADERS, 1, block) + _frame(_DATA, _END_STREAM, 1, b"\x00" + bytes(4))


def _string(text: str) -> bytes:
    return bytes([len(text)]) + text.encode()


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def _answer(secure: ssl.SSLSocket) -> bytes:
    """Reads until the server has ended the stream or the connection."""
    answer = b""
    while chunk := secure.recv(65536):
        answer += chunk
        if _ended(answer):
            break
    return answer


def _ended(answer: bytes) -> bool:
    while len(answer) >= 9:
        length, kind, flags = int.from_bytes(answer[:3], "big"), answer[3], answer[4]
        if kind == _HEADERS and flags & _END_STREAM and len(answer) >= 9 + length:
            return True
        answer = answer[9 + length :]
    return False
