"""What a child does with a document: the port behind which each format stands, and the level reached."""

from __future__ import annotations

import functools
import importlib
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

from eseal.lowering import Obstacle, decide_level
from eseal.profile import Format
from eseal.values import Level, StampUnavailableError
from kokuin.service.eseals.codes import SealCode, SealRefusedError
from kokuin.service.eseals.tasks import Act
from kokuin.trust.certificate import read_certificate
from kokuin.trust.report import Check
from kokuin.wire import oids
from kokuin.wire.algorithms import DIGEST_BY_NAME
from kokuin.wire.cms import read_signed_data
from kokuin.wire.errors import WireError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from eseal.profile import SealProfile
    from eseal.values import Content, Found, Material, SealKey
    from kokuin.trust.context import RevocationData

WORKS = {
    Format.PDF: "kokuin.service.eseals.work_pdf",
    Format.JSON: "kokuin.service.eseals.work_json",
    Format.CADES: "kokuin.service.eseals.work_cades",
}
"""The module of each format, which has `seal` and `extend`."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be done.

    Attributes:
        document: octets of the document; of a detached seal that is extended: of the seal.
        data: octets that a detached seal is about; None: they were not sent.
        keys: what the seal is made with; none to extend.
        options: of the format.
        profile: by which a seal is made; None: it is extended.
        image: what the profile's appearance shows; None: nothing.
        font: of the profile's appearance; None: it has none.
    """

    document: bytes
    data: bytes | None
    keys: tuple[SealKey, ...]
    options: Mapping[str, str]
    profile: SealProfile | None = None
    image: bytes | None = None
    font: bytes | None = None


class SealWork(Protocol):
    """A format: a module with these functions."""

    def seal(self, order: Order, level: Level, stamper: Counting, material: Material) -> bytes:
        """Return the sealed document, or the detached seal.

        Raises:
            SealRefusedError: the document or an option is unfit, or material is missing.
            StampUnavailableError: no time-stamp can be had.
            MaterialMissingError: as soon as material is looked at that is not there.
        """
        ...

    def extend(self, order: Order, level: Level, stamper: Counting, material: Material) -> bytes:
        """Return the document, or the seal, at a higher level; see `seal`."""
        ...

    def find(self, data: bytes, content: Content | None) -> Found | Check:
        """Return the seals of a document, to be extended; see `eseal.values`."""
        ...


class Data:
    """Data in memory; a `Content`."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __call__(self, algorithm: str, /) -> bytes:
        """See `Content`."""
        return DIGEST_BY_NAME[algorithm].of(self._data)

    def octets(self, most: int) -> bytes | None:
        """See `Content`."""
        return self._data if len(self._data) <= most else None


class MaterialMissingError(Exception):
    """What B-LT adds is not at hand."""


class Counting:
    """A time-stamper that remembers what it had.

    Attributes:
        expected: octets of the last token that another document had; 0: none had any.
    """

    def __init__(self, stamp: Callable[[bytes], bytes], digest: str, expected: int = 0) -> None:
        self.digest, self.expected = digest, expected
        self.tokens: list[bytes] = []
        self._stamp = stamp

    def stamp(self, imprint: bytes) -> bytes:
        """See `TimeStamper.stamp`."""
        token = self._stamp(imprint)
        self.tokens.append(token)
        return token


class AskedMaterial:
    """A `Material` that is asked for when it is looked at: by then the time-stamps it is about are there."""

    def __init__(self, ask: Callable[[], Material]) -> None:
        self._ask = functools.cache(ask)

    @property
    def certificates(self) -> tuple[bytes, ...]:
        """See `Material`."""
        return self._ask().certificates

    @property
    def revocation(self) -> RevocationData:
        """See `Material`."""
        return self._ask().revocation


def work_of(form: Format) -> SealWork:
    """Return who works on a format.

    Raises:
        ImportError: its libraries are not installed.
    """
    return cast("SealWork", importlib.import_module(WORKS[form]))


def make(  # noqa: PLR0913, PLR0917  # what to do, with what, and whom to ask
    work: SealWork,
    act: Act,
    order: Order,
    levels: tuple[Level, Level],
    stamper: Counting,
    ask: Callable[[tuple[bytes, ...]], Material],
) -> tuple[bytes, Level]:
    """Return the document and the level that it reached.

    Args:
        work: of the format.
        act: what to do.
        order: with what.
        levels: which to reach, and the lowest to be content with while time-stamps cannot be had.
        stamper: where they come from.
        ask: returns what B-LT adds for some certificates (DER).

    Raises:
        SealRefusedError: see `SealWork`.
        StampUnavailableError, MaterialMissingError: not even the lowest can be reached.
    """
    asked, least = levels
    level = asked
    obstacle_met: StampUnavailableError | MaterialMissingError | None = None
    do = work.seal if act is Act.SEAL else work.extend
    while True:
        stamped = len(stamper.tokens)
        material = AskedMaterial(lambda: ask(_certificates(work, act, order, stamper)))
        try:
            return do(order, level, stamper, cast("Material", material)), level
        except (StampUnavailableError, MaterialMissingError) as error:
            # A seal has its first time-stamp over the signature; who extends may lack only the last one.
            first = len(stamper.tokens) == stamped and (act is Act.SEAL or level is not Level.B_LTA)
            obstacle = Obstacle.STAMP if first else Obstacle.ARCHIVE_STAMP
            if isinstance(error, MaterialMissingError):
                obstacle = Obstacle.MATERIAL
            decision = decide_level(level, least, [obstacle])
            if decision.reached is None or decision.reached is level:
                raise
            level, obstacle_met = decision.reached, error
        except SealRefusedError as error:
            if obstacle_met is not None and error.code is SealCode.LEVEL_NOT_ALLOWED:
                # What is left to be had is there already.
                raise obstacle_met from None
            raise


def _certificates(work: SealWork, act: Act, order: Order, stamper: Counting) -> tuple[bytes, ...]:
    """Return the end entities (DER) of a document's seals and time-stamps."""
    tokens, signers = list(stamper.tokens), [key.certificate for key in order.keys]
    if act is Act.EXTEND:
        found = work.find(order.document, None)
        if not isinstance(found, Check):
            signers += [each.signer.der for each in found.seals if each.signer is not None]
            tokens += [stamp.token for each in found.seals for stamp in each.stamps]
    return tuple(dict.fromkeys([*signers, *itertools.chain.from_iterable(map(_units, tokens))]))


def _units(token: bytes) -> Iterable[bytes]:
    """Yield the certificates in a token that are for time-stamping."""
    try:
        carried = [read_certificate(der) for der in read_signed_data(token).certificates]
    except WireError:
        return
    for each in carried:
        if each.ext_key_usage is not None and oids.ID_KP_TIME_STAMPING in each.ext_key_usage.purposes:
            yield each.der
