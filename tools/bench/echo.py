"""The floor of the wire: `python -m tools.bench.echo PORT KEYS TRUST`, a server that answers at once with fixed bytes.

The same stack as a node's (grpc.aio on uvloop, the node's TLS credentials), without the gate and the database. The
first four bytes of a request say how many bytes to answer.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import Any

import grpc
import uvloop

from services.foundation.rpc.credentials import CredentialSource, server_credentials

SERVICE = "juki.bench.v1.EchoService"
METHOD = f"/{SERVICE}/Echo"


async def echo(request: bytes, _context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
    """Answers as many bytes as asked for."""
    return bytes(int.from_bytes(request[:4]))


async def serve(port: int, keys: Path, trust: Path) -> None:
    """Serves until SIGTERM."""
    options: tuple[tuple[str, Any], ...] = (("grpc.max_concurrent_streams", 100), ("grpc.so_reuseport", 0))
    server = grpc.aio.server(options=options)
    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(echo)
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, {"Echo": handler})])
    server.add_secure_port(f"127.0.0.1:{port}", server_credentials(CredentialSource(keys, trust)))
    await server.start()
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    await stopping.wait()
    await server.stop(1.0)


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])))
