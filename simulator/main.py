"""Running the simulator as a process."""

import argparse
import logging
import os
import socket
import sys
from typing import Final

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from simulator.connection import TRANSPORT
from simulator.server import Simulator

KEY_VARIABLE: Final = "MIDSTREAM_SIMULATOR_KEY"


class _Protocol(HttpToolsProtocol):
    """Hands the transport to the application, which ASGI does not: a TCP reset needs the socket."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["state"][TRANSPORT] = self.transport


class _Server(uvicorn.Server):
    """Says where it listens, and cuts running answers when it stops instead of waiting for their end."""

    def __init__(self, config: uvicorn.Config, simulator: Simulator, address: str) -> None:
        super().__init__(config)
        self._simulator = simulator
        self._address = address

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            print(f"simulator listening on {self._address}", flush=True)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._simulator.abort()
        await super().shutdown(sockets)


def app(require_key: str | None = None) -> Simulator:
    """The ASGI application. With `require_key`, requests that carry another key get a 401."""
    return Simulator(require_key)


def run(port: int, host: str = "127.0.0.1", uds: str | None = None, require_key: str | None = None) -> None:
    """Serve until SIGINT or SIGTERM, on `host`:`port` (0 picks a free one) or on the Unix socket `uds`.

    Prints the address on standard output once it listens. Raises SystemExit where it cannot.
    """
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    simulator = app(require_key)
    config = uvicorn.Config(
        simulator,
        uds=uds,
        loop="auto",
        http=_Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        # Longer than the SDKs keep an idle connection, so that none is closed under a new request.
        timeout_keep_alive=75,
        timeout_graceful_shutdown=2,
    )
    sockets: list[socket.socket] | None = None
    address = f"unix:{uds}"
    if uds is None:
        listener = _listen(host, port)
        sockets = [listener]
        shown = f"[{host}]" if ":" in host else host
        address = f"http://{shown}:{listener.getsockname()[1]}"
    try:
        _Server(config, simulator, address).run(sockets)
    except KeyboardInterrupt:
        # Ctrl-C is how a person ends it; the server has shut down in good order before this is raised.
        return


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OverflowError:
        raise SystemExit(f"simulator: {port} is no port: give one from 0 to 65535") from None
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error
        raise SystemExit(f"simulator: cannot listen on {host}:{port}: {reason}") from None


def main() -> None:
    """The command line of `python -m simulator`."""
    parser = argparse.ArgumentParser(prog="simulator", description=__doc__)
    parser.add_argument("--port", type=int, default=8090, help="TCP port; 0 picks a free one (default 8090)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--uds", help="listen on this Unix socket instead")
    parser.add_argument(
        "--require-key",
        default=os.environ.get(KEY_VARIABLE) or None,
        help=f"refuse other API keys (default: {KEY_VARIABLE}; without it any key is accepted)",
    )
    options = parser.parse_args()
    run(options.port, options.host, options.uds, options.require_key)
