"""TLS without a proxy: a certificate and its key, in PEM."""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop

from shared.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Certificate:
    """Files of a certificate, with its chain, and of its key, which may be in the same file."""

    certfile: Path
    keyfile: Path | None = None

    def context(self, *_: object) -> ssl.SSLContext:
        """Returns what connections are opened with. Raises SettingsError for unreadable files, and a wrong key."""
        made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            # Without a password, OpenSSL would ask for it on the terminal.
            made.load_cert_chain(self.certfile, self.keyfile, password=lambda: "")
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else "its key has a password"
            raise SettingsError(f"--ssl-certfile: {self.certfile} and its key cannot be used: {reason}") from None
        return made


class HandshakeLoop(uvloop.Loop):
    """uvloop, with a limit of seconds for TLS handshakes: uvicorn has none, and asyncio's 60 s are a descriptor's."""

    def __init__(self, handshake_timeout: float) -> None:
        super().__init__()
        self.handshake_timeout = handshake_timeout

    async def create_server(self, *arguments: Any, ssl: Any = None, **options: Any) -> Any:
        if ssl is not None:
            options["ssl_handshake_timeout"] = self.handshake_timeout
        return await super().create_server(*arguments, ssl=ssl, **options)
