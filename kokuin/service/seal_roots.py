"""Asking a child for the roots of an epoch's seal."""

from __future__ import annotations

import asyncio
import contextlib
import json
from asyncio.subprocess import PIPE
from typing import TYPE_CHECKING

from kokuin.service.child_start import end_child, start_child

if TYPE_CHECKING:
    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder


class RootsError(Exception):
    """The child ended without an answer; the message is the last line that it wrote."""


async def roots_of(folder: DataFolder, config: Config, first: int, size: int) -> dict[str, str]:
    """Roots over the leaves from `first` to before `size`, hex, by the names of `epoch_roots.HASHES`.

    Raises:
        RootsError: the leaves could not be read or hashed.
    """
    try:
        child = await start_child("kokuin.service.seal_program", stderr=PIPE)
    except OSError as error:
        raise RootsError(str(error)) from error
    line = {
        "folder": str(folder.root.resolve()),
        "config": config.model_dump_json(),
        "first": first,
        "size": size,
    }
    try:
        return await _answer(child, json.dumps(line).encode() + b"\n")
    finally:
        await end_child(child)


async def _answer(child: asyncio.subprocess.Process, line: bytes) -> dict[str, str]:
    if child.stdin is None or child.stdout is None or child.stderr is None:
        raise RootsError("no pipes")
    child.stdin.write(line)
    with contextlib.suppress(ConnectionError):  # it ended; what it says follows
        await child.stdin.drain()
    # Not `communicate`, which would close the lifeline.
    told, said = await asyncio.gather(child.stdout.read(), child.stderr.read())
    if await child.wait() != 0:
        lines = said.decode("utf-8", "replace").strip().splitlines()
        raise RootsError(lines[-1] if lines else f"exit code {child.returncode}")
    roots: dict[str, str] = json.loads(told)
    return roots
