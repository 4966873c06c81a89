"""The configuration of the listener: `[server]`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, model_validator

from kokuin.service.config_types import (  # pydantic reads the annotations
    Count,
    PlainPath,
    Port,
    Seconds,
    Table,
)

if TYPE_CHECKING:
    from pathlib import Path


class Server(Table):
    """Where to listen, how much to take on, with which certificate, and who vouches for clients'."""

    host: str = "127.0.0.1"
    port: Port = 3161
    admin_port: Port | None = None
    workers: Annotated[int, Field(strict=True, ge=1, le=64)] = 1
    connections: Count = 1024
    requests: Count = 512
    header_seconds: Seconds = 10.0
    body_seconds: Seconds = 10.0
    keep_alive_seconds: Seconds = 30.0
    body_octets: Annotated[int, Field(strict=True, ge=256, le=1 << 20)] = 64 * 1024
    tls_certificate: PlainPath | None = None
    tls_key: PlainPath | None = None
    tls_clients: PlainPath | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key go together")
        if self.tls_clients is not None and self.tls_certificate is None:
            raise ValueError("tls_clients wants tls_certificate and tls_key")
        return self

    def below(self, folder: Path) -> Self:
        """Return the same with paths that are relative to `folder` made absolute."""
        paths = {name: getattr(self, name) for name in ("tls_certificate", "tls_key", "tls_clients")}
        return self.model_copy(
            update={name: (folder / path).resolve() for name, path in paths.items() if path is not None}
        )
