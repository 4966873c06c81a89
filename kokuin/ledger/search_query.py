"""What may be searched for in the ledger: conditions, the page's cursor, and whether a leaf fits.

A condition names fields of leaves, and `Query.fits` is what decides: an index
only proposes leaves that may fit.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_HITS = 1000
"""Longest page."""

MOST_US = 2**63 - 1
"""Latest time that can be asked for, microseconds since 1970 UTC."""

_HEX = re.compile(r"[0-9a-f]*")
_KIND = re.compile(r"[a-z][a-z0-9_.]{0,63}")
_MOST_ALTERNATIVES = 16
_LONGEST_TENANT = 256
_CURSOR = re.compile(r"[A-Za-z0-9_-]{22}")
_NAME = 8
"""Octets of a cursor that name its query, and as many that say where it goes on."""

SERIAL, IMPRINT, REQUEST, TOKEN, TOKEN_512, TENANT, KIND = (
    "serial",
    "imp",
    "req",
    "tok",
    "tok512",
    "tenant",
    "kind",
)
SEARCHABLE = (SERIAL, IMPRINT, REQUEST, TOKEN, TOKEN_512, TENANT, KIND)
"""Fields of leaves whose values are found without reading all leaves."""


class Order(StrEnum):
    """In which order hits come; the ledger's order is that of time."""

    NEWEST = "newest"
    OLDEST = "oldest"


class QueryFault(StrEnum):
    """Why a query is not asked."""

    VALUE = "SEARCH_VALUE"
    """A condition's value is malformed, too long, or one of too many."""
    CURSOR = "SEARCH_CURSOR"
    """The cursor is malformed, or another query's."""


class QueryError(ValueError):
    """A query was refused.

    Attributes:
        fault: the stable code.
        field: the condition that is at fault.
    """

    def __init__(self, fault: QueryFault, field: str) -> None:
        super().__init__(f"{fault}: {field}")
        self.fault = fault
        self.field = field


@dataclass(frozen=True, slots=True)
class Query:
    """Conditions that must all hold; one that is None or empty always holds.

    Attributes:
        serial: serial number of a token, hex.
        imprints: messageImprints, hex; any of them.
        request: SHA-256 of a request, hex.
        token: SHA-256 or SHA-512 of a token (DER of its ContentInfo), hex.
        tenant: pseudonym of a tenant.
        kinds: kinds of leaves; any of them.
        since_us: committed at this time or later, microseconds since 1970 UTC.
        until_us: committed before this time.
        order: newest or oldest first.
        limit: hits of a page, 1 to `MOST_HITS`.
        cursor: `Page.next` of the page before; empty for the first page.

    Raises:
        QueryError: a value that no leaf could have, or a cursor that is not this query's.
    """

    serial: str | None = None
    imprints: tuple[str, ...] = ()
    request: str | None = None
    token: str | None = None
    tenant: str | None = None
    kinds: tuple[str, ...] = ()
    since_us: int | None = None
    until_us: int | None = None
    order: Order = Order.NEWEST
    limit: int = 100
    cursor: str = ""

    def __post_init__(self) -> None:
        # People paste hex from programs that write it in capitals; leaves have it in small letters.
        object.__setattr__(self, "serial", _hex(self.serial, "serial", range(1, 65)))
        object.__setattr__(self, "request", _hex(self.request, "request", (64,)))
        object.__setattr__(self, "token", _hex(self.token, "token", (64, 128)))
        imprints = (_hex(imprint, "imprint", range(2, 129, 2)) for imprint in self.imprints)
        object.__setattr__(self, "imprints", tuple(imprints))
        _require(len(self.imprints) <= _MOST_ALTERNATIVES, "imprint")
        _require(len(self.kinds) <= _MOST_ALTERNATIVES, "kind")
        _require(all(_KIND.fullmatch(kind) for kind in self.kinds), "kind")
        _require(self.tenant is None or _is_text(self.tenant), "tenant")
        for name, moment in (("since", self.since_us), ("until", self.until_us)):
            _require(moment is None or 0 <= moment <= MOST_US, name)
        _require(1 <= self.limit <= MOST_HITS, "limit")
        if self.cursor:
            self.position()

    def wanted(self) -> dict[str, tuple[str, ...]]:
        """Return for each field that is asked about the values of which a leaf must have one."""
        token_field = TOKEN if self.token is None or len(self.token) == 64 else TOKEN_512
        values = {
            SERIAL: self.serial,
            REQUEST: self.request,
            token_field: self.token,
            TENANT: self.tenant,
        }
        wanted = {field: (value,) for field, value in values.items() if value is not None}
        several = {IMPRINT: self.imprints, KIND: self.kinds}
        return wanted | {field: value for field, value in several.items() if value}

    def fits(self, leaf: Mapping[str, object]) -> bool:
        """Say whether a leaf's fields satisfy every condition."""
        at = time_of(leaf)
        return (
            at is not None
            and (self.since_us is None or self.since_us <= at)
            and (self.until_us is None or at < self.until_us)
            and all(leaf.get(field) in values for field, values in self.wanted().items())
        )

    def cursor_at(self, index: int) -> str:
        """Return the cursor of the page that goes on with the leaf at `index`."""
        return base64.urlsafe_b64encode(self._name() + index.to_bytes(8)).decode().rstrip("=")

    def position(self) -> int | None:
        """Return the index that the cursor goes on with, None without one.

        Raises:
            QueryError: no cursor, or one of other conditions or another order; its limit may differ.
        """
        if not self.cursor:
            return None
        if not _CURSOR.fullmatch(self.cursor):
            raise QueryError(QueryFault.CURSOR, "cursor")
        octets = base64.urlsafe_b64decode(self.cursor + "==")
        index = int.from_bytes(octets[_NAME:])
        # Not a secret: whoever may search may read every leaf. It keeps pages of two searches from mixing.
        if octets[:_NAME] != self._name() or index > MOST_US or self.cursor_at(index) != self.cursor:
            raise QueryError(QueryFault.CURSOR, "cursor")
        return index

    def _name(self) -> bytes:
        wanted = {field: sorted(values) for field, values in self.wanted().items()}
        conditions = [wanted, self.since_us, self.until_us, self.order]
        return sha256(orjson.dumps(conditions, option=orjson.OPT_SORT_KEYS)).digest()[:_NAME]


def read_fields(leaf: bytes) -> Mapping[str, object]:
    """Read a leaf of any release as far as searching needs it; what is no JSON object has no fields.

    Whether a leaf is as it should be is not asked here: a search shows the damaged ones' neighbours too.
    """
    try:
        fields = orjson.loads(leaf)
    except orjson.JSONDecodeError:
        return {}
    return fields if isinstance(fields, dict) else {}


def time_of(fields: Mapping[str, object]) -> int | None:
    """Return when a leaf was committed, microseconds since 1970 UTC; None where it does not say."""
    at = fields.get("at")
    return at if isinstance(at, int) and 0 <= at <= MOST_US else None


def _require(holds: bool, field: str) -> None:  # noqa: FBT001 - the condition itself
    if not holds:
        raise QueryError(QueryFault.VALUE, field)


def _hex(value: str | None, field: str, lengths: range | tuple[int, ...]) -> str | None:
    if value is None:
        return None
    # Attack: text of any size. Its length is looked at before anything is made of it.
    _require(len(value) in lengths, field)
    lower = value.lower()
    _require(_HEX.fullmatch(lower) is not None, field)
    return lower


def _is_text(value: str) -> bool:
    # A lone surrogate, which the command line makes of octets that are no UTF-8, can be in no leaf.
    return 0 < len(value) <= _LONGEST_TENANT and not re.search("[\ud800-\udfff]", value)
