"""Folders whose default profile puts evidence into each token before it leaves, and what answers in them."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from kokuin.service.operating import operate
from kokuin.service.responder import Responder
from kokuin.wire.tsp import read_timestamp_response
from tests.service.asking import query
from tests.service.evidence.evidencing import ANYBODY, installation_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from kokuin.service.datafolder import DataFolder
    from kokuin.service.stamping import Answer
    from kokuin.trust.journal import Journal
    from tests.service.evidence.evidencing import Life
    from tests.service.running import Prepared

NAME = "hybrid-embedded"
PROFILE = """
arc = 1000
tst = "ecdsa-p256-sha256"
certificate = "ecdsa-p256-sha256"
envelope = "ml-kem-768-cms"
unit = "classical"
evidence = "{evidence}"
embed = true
imprints = ["sha256", "sha512"]
accuracy_ms = 1000
key_days = 365
certificate_days = 4015
{more}
"""


def embedding_folder(folder_of: Callable[[str], Prepared], evidence: str = "evidence") -> Prepared:
    """Give a fresh folder of `hybrid` that was switched to the profile."""
    prepared = folder_of("hybrid")
    add_profile(prepared.folder, evidence)
    answer = operate(prepared.folder, "profile.use", {"name": NAME})
    assert answer["ok"], answer
    return prepared


def add_profile(folder: DataFolder, evidence: str = "evidence", more: str = "") -> None:
    """Write the operator's own profile."""
    folder.profiles.mkdir(exist_ok=True)
    (folder.profiles / f"{NAME}.toml").write_text(PROFILE.format(evidence=evidence, more=more))


@contextlib.asynccontextmanager
async def answering(life: Life, journal: Journal | None = None) -> AsyncIterator[Responder]:
    """Give what answers in a worker, with the keeper's journal or another.

    Tokens are signed where they are asked for, also on a slow machine: what is asked together is one batch.
    """
    units = installation_of(life.folder, life.keeper)
    journal = journal or life.keeper.journal
    made = Responder(units.issuers, units.default, journal, frozenset(), units.archives)
    try:
        yield made
    finally:
        made.close()


async def ask(responder: Responder, count: int, *, embed: bool = True) -> list[Answer]:
    """Ask for that many tokens in one turn of the loop."""
    asked = (responder.answer(query(), ANYBODY, embed=embed) for _ in range(count))
    return await asyncio.gather(*asked)


def token_of(answer: Answer) -> bytes:
    """Return the token that was granted."""
    assert answer.refusal is None, answer.refusal
    token = read_timestamp_response(answer.body).token
    assert token is not None
    return token
