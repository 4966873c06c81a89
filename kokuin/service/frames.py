"""Frames between keeper and worker: a length, a JSON header, and octets that need no escaping.

Both ends are processes of one `tsa serve`, joined by a socketpair that nobody
else can open; the bounds are against our own faults, not against strangers.
"""

from __future__ import annotations

import asyncio
import struct
from typing import TYPE_CHECKING, Any, cast

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable

_HEAD = struct.Struct(">II")
MAX_FRAME = 64 * 1024 * 1024


def encode_frame(header: dict[str, Any], blob: bytes = b"") -> bytes:
    """Return one frame: lengths of header and blob, the header as JSON, the blob."""
    text = orjson.dumps(header)
    return _HEAD.pack(len(text), len(blob)) + text + blob


class FrameLink(asyncio.Protocol):
    """One end of a link; calls `on_frame(header, blob)` for each frame and `on_lost()` once at the end."""

    def __init__(
        self, on_frame: Callable[[dict[str, Any], bytes], None], on_lost: Callable[[], None]
    ) -> None:
        self._on_frame = on_frame
        self._on_lost = on_lost
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport; part of asyncio.Protocol."""
        # A socketpair is a stream; uvloop's transports are not derived from asyncio's classes.
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the owner once; part of asyncio.Protocol."""
        del exc
        self._transport = None
        self._on_lost()

    def data_received(self, data: bytes) -> None:
        """Cut frames out of the stream; part of asyncio.Protocol."""
        self._buffer += data
        buffer, at = self._buffer, 0
        while len(buffer) - at >= _HEAD.size:
            header_size, blob_size = _HEAD.unpack_from(buffer, at)
            if header_size + blob_size > MAX_FRAME:
                self.close()
                return
            header_end = at + _HEAD.size + header_size
            end = header_end + blob_size
            if len(buffer) < end:
                break
            header = orjson.loads(memoryview(buffer)[at + _HEAD.size : header_end])
            self._on_frame(header, bytes(memoryview(buffer)[header_end:end]))
            at = end
        del buffer[:at]

    def send(self, header: dict[str, Any], blob: bytes = b"") -> bool:
        """Queue one frame; False when the link is gone."""
        if self._transport is None or self._transport.is_closing():
            return False
        self._transport.write(encode_frame(header, blob))
        return True

    def close(self) -> None:
        """Close the link; `on_lost` follows."""
        if self._transport is not None:
            self._transport.close()
