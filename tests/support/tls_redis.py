"""TLS for servers that were built without: certificates of an authority of our own, and a proxy that ends TLS.

with TlsProxy(port_of_the_server, authority) as proxy:
    url = f"rediss://127.0.0.1:{proxy.port}/0?ssl_ca_certs={authority.ca_file}"
"""

import asyncio
import socket
import ssl
import subprocess
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Self

import trustme

from tests.support.ports import free_port
from tests.support.waiting import until

ROOT = Path(__file__).parents[2]
START_WITHIN_S = 10


class Authority:
    """Issues a certificate for 127.0.0.1 and one for a client, and writes them all to a folder."""

    def __init__(self, folder: Path) -> None:
        ca = trustme.CA()
        server = ca.issue_cert("127.0.0.1")
        client = ca.issue_cert("client.test")
        self.ca_file = folder / "ca.pem"
        self.server_file, self.server_key_file = folder / "server.pem", folder / "server.key"
        self.client_file, self.client_key_file = folder / "client.pem", folder / "client.key"
        ca.cert_pem.write_to_path(str(self.ca_file))
        for issued, chain, key in (
            (server, self.server_file, self.server_key_file),
            (client, self.client_file, self.client_key_file),
        ):
            issued.cert_chain_pems[0].write_to_path(str(chain))
            issued.private_key_pem.write_to_path(str(key))


class TlsProxy:
    """Takes TLS connections on `port` and passes on what is inside; a process of its own."""

    def __init__(self, target_port: int, authority: Authority) -> None:
        self.port = free_port()
        files = (authority.server_file, authority.server_key_file)
        self._command = [sys.executable, "-m", __name__, *map(str, (self.port, target_port, *files))]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command, cwd=ROOT)
        until(self._listens, within_s=START_WITHIN_S, what="the TLS proxy to listen")
        return self

    def __exit__(self, *_exc: object) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def _listens(self) -> bool:
        with suppress(ConnectionError), socket.create_connection(("127.0.0.1", self.port)):
            return True
        return False


async def serve(port: int, target_port: int, certificate: str, key: str) -> None:
    """The body of the proxy's process."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    # Handshakes that fail are what some tests are about; asyncio would log each.
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    server = await asyncio.start_server(partial(_pass_on, target_port), "127.0.0.1", port, ssl=context)
    await server.serve_forever()


async def _pass_on(target_port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", target_port)
    await asyncio.gather(_pump(reader, inner_writer), _pump(inner_reader, writer))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError, ssl.SSLError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:]))
