"""TLS on the listener, with certificates that can be read again."""

from __future__ import annotations

import ssl

import trio

from ..config import ConfigError
from ..settings.serving import Tls


class TlsContext:
    """The server's certificate. Connections keep the one they began with.

    Making one reads the files: OSError or ssl.SSLError if they cannot be used.
    """

    def __init__(self, cert: str, key: str) -> None:
        self._files = (cert, key or None)
        self._context = self._read()

    def reload(self) -> None:
        """Read the files again, for new connections. If that fails, all stays as it was."""
        self._context = self._read()

    def wrap(self, stream: trio.abc.Stream) -> trio.SSLStream[trio.abc.Stream]:
        """The server's side of TLS over `stream`; the handshake is still to come."""
        return trio.SSLStream(stream, self._context, server_side=True, https_compatible=True)

    def _read(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.set_alpn_protocols(["http/1.1"])
        context.load_cert_chain(*self._files)
        return context


def tls_of(files: Tls) -> TlsContext | None:
    """That of the settings `web.tls`, if there is to be one. ConfigError if it cannot be used."""
    if not files.cert:
        return None
    try:
        return TlsContext(files.cert, files.key)
    except OSError as error:
        raise ConfigError("web.tls.cert", str(error)) from None
