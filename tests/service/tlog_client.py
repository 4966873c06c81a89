"""A client of C2SP tlog-tiles that knows the specifications and nothing of our code."""

from __future__ import annotations

import base64
import struct
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from dilithium_py.ml_dsa import ML_DSA_44  # type: ignore[import-untyped]

if TYPE_CHECKING:
    import httpx


@dataclass(frozen=True, slots=True)
class TreeHead:
    """What a checkpoint says, both of whose signatures were verified."""

    origin: str
    size: int
    root: bytes


def verified(note: bytes, vkeys: str) -> TreeHead:
    """Read a checkpoint, and verify its two signatures (C2SP signed-note, tlog-cosignature)."""
    text, _, signatures = note.decode().rpartition("\n\n")
    text += "\n"
    origin, size, root = text.splitlines()
    keys = {}
    for line in vkeys.splitlines():
        name, key_id, material = line.split("+", 2)
        octets = base64.b64decode(material, validate=True)
        assert sha256(name.encode() + b"\n" + octets).digest()[:4].hex() == key_id
        keys[name, bytes.fromhex(key_id)] = octets
    kinds = set()
    for line in signatures.splitlines():
        dash, name, encoded = line.split(" ")
        assert dash == "\N{EM DASH}"
        octets = base64.b64decode(encoded, validate=True)
        key, signature = keys[name, octets[:4]], octets[4:]
        kinds.add(key[0])
        if key[0] == 1:
            Ed25519PublicKey.from_public_bytes(key[1:]).verify(signature, text.encode())
        else:
            message = b"subtree/v1\n\0" + _opaque(name) + signature[:8] + _opaque(origin)
            message += struct.pack(">QQ", 0, int(size)) + base64.b64decode(root)
            assert key[0] == 6
            assert ML_DSA_44.verify(key[1:], message, signature[8:])
    assert kinds == {1, 6}
    return TreeHead(origin, int(size), base64.b64decode(root, validate=True))


def _opaque(text: str) -> bytes:
    return bytes([len(text.encode())]) + text.encode()


def path(index: int) -> str:
    """Encode a tile's index."""
    digits = f"{index % 1000:03d}"
    while index := index // 1000:
        digits = f"x{index % 1000:03d}/{digits}"
    return digits


def tile_paths(size: int, level: int = 0) -> list[str]:
    """Return the paths of a level's tiles for a tree of this size, full and partial."""
    count = size // 256**level
    found = [path(index) for index in range(count // 256)]
    return found + ([f"{path(count // 256)}.p/{count % 256}"] if count % 256 else [])


def leaf_hashes(client: httpx.Client, size: int) -> list[bytes]:
    """Fetch the tiles of level 0."""
    octets = b"".join(fetched(client, f"/log/tile/0/{each}") for each in tile_paths(size))
    return [octets[at : at + 32] for at in range(0, len(octets), 32)]


def entries(client: httpx.Client, size: int, **headers: str) -> list[bytes]:
    """Fetch all entry bundles and take them apart."""
    found = []
    for each in tile_paths(size):
        octets = fetched(client, f"/log/tile/entries/{each}", **headers)
        while octets:
            length = int.from_bytes(octets[:2], "big")
            assert len(octets) >= 2 + length
            found.append(octets[2 : 2 + length])
            octets = octets[2 + length :]
    return found


def fetched(client: httpx.Client, url: str, **headers: str) -> bytes:
    """Fetch what must be there."""
    answer = client.get(url, headers=headers)
    assert answer.status_code == 200, (url, answer.text)
    return answer.content
