"""What was found of one token or record, and what is to be done with it: a line of a renewal's journal."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kokuin.verify.renewal.planning import Act

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kokuin.trust.report import End
    from kokuin.verify.renewal.planning import Plan

_JSON = json.JSONEncoder(separators=(",", ":"))
_SHORT = 512
"""Characters of a name out of a certificate that a line keeps."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One token or record.

    Attributes:
        token: path of its file from the folder of the renewal.
        act: what is to be done.
        digest: name of the hash of the tree that it goes into; None where it goes into none.
        group: the hashes of its group by it; of a new record those of the material are not among them.
        material: name of what the token is judged by (`kokuin.verify.renewal.material.name_of`); None but for
            a new record.
        old: SHA-256 (hex) of the record that is renewed; None where there is none.
        record: the file is that record itself, and no token.
        state: size and time of the token's file, of before it was read.
        until: JSON form of the last moment at which what holds it today does; None: no end is known.
        until_us: that moment, microseconds since 1970 UTC.
        bound: as `until`, of the data: `Plan.bound`.
        reason: why nothing can be done.
        made_us: when the newest time-stamp was made that is covered, as `until_us`; None: nothing is.
        octets: of what a new record has beside the archive time-stamp and its path in the tree.
        complete: all revocation data at hand is in the material.
    """

    token: str
    act: Act
    digest: str | None = None
    group: tuple[bytes, ...] = ()
    material: str | None = None
    old: str | None = None
    record: bool = False
    state: Mapping[str, Any] | None = None
    until: Mapping[str, Any] | None = None
    until_us: int | None = None
    bound: Mapping[str, Any] | None = None
    reason: str | None = None
    made_us: int | None = None
    octets: int = 0
    complete: bool = True

    @classmethod
    def planned(cls, token: str, plan: Plan) -> Entry:
        """Return what a plan says, without a tree."""
        return cls(
            token,
            plan.act,
            until=_ending(plan.until),
            until_us=None if plan.until is None else plan.until.time,
            bound=_ending(plan.bound),
            reason=plan.reason,
        )

    def line(self) -> bytes:
        """Return its line: JSON in ASCII."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        fields["group"] = [b64encode(each).decode("ascii") for each in self.group]
        return _JSON.encode(fields).encode("ascii") + b"\n"

    @classmethod
    def of_line(cls, fields: Mapping[str, Any]) -> Entry:
        """Return what a line says.

        Raises:
            KeyError, TypeError, ValueError: it is no such line.
        """
        group = tuple(b64decode(each) for each in fields["group"])
        return cls(**{**fields, "act": Act(fields["act"]), "group": group})


def _ending(end: End | None) -> dict[str, Any] | None:
    if end is None:
        return None
    params = {name: value[:_SHORT] if isinstance(value, str) else value for name, value in end.params.items()}
    return {**end.to_dict(), "params": params}
