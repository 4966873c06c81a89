"""TLS of our own listener: its certificate, and the authorities whose clients may show theirs."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from kokuin.service.errors import StartError

if TYPE_CHECKING:
    from kokuin.service.config_server import Server


def server_context(server: Server) -> ssl.SSLContext | None:
    """Return what TLS 1.2 and later is spoken with; None: nothing is configured.

    A client may show a certificate of `tls_clients` and need not: who must, the rules of access say.

    Raises:
        StartError: a file cannot be read, the key is not the certificate's or wants a passphrase.
    """
    if server.tls_certificate is None or server.tls_key is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION  # it costs the server more than whoever asks for it
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(server.tls_certificate, server.tls_key, _no_passphrase)
    except (OSError, ValueError) as error:
        raise StartError(f"server.tls_certificate, server.tls_key: {_reason(error)}") from None
    if server.tls_clients is not None:
        context.verify_mode = ssl.CERT_OPTIONAL
        try:
            context.load_verify_locations(server.tls_clients)
        except (OSError, ValueError) as error:
            raise StartError(f"server.tls_clients: {_reason(error)}") from None
    return context


def _no_passphrase() -> str:
    # Without this OpenSSL would ask for one at the terminal, which a service has not.
    raise ValueError("the key wants a passphrase; store it without one, mode 0600")


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, ssl.SSLError):
        return error.reason or "no PEM"
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
