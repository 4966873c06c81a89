"""Seeded mutation of JSON seals: of their octets, of their members, and of the JSON within their base64url.

A document that is merely damaged ends at its first octet. A member changed deep in a protected header or in
an entry of `etsiU`, and all around it written again, reaches what looks at it. The same seed gives the same.
"""

from __future__ import annotations

import base64
import binascii
import copy
import json
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.mutators import Mutator

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, 2**53 - 1, "", "A", "AA==", "none", "\u0000", "\u202e", "é" * 50, [], {},
    [[]], [{}], {"": ""}, {"val": "AA=="}, ["b64"], "http://uri.etsi.org/19182/HttpHeaders",
)  # fmt: skip
_NAMES = (
    "alg", "b64", "crit", "cty", "etsiU", "header", "iat", "jwk", "payload", "protected", "sigD", "sigT",
    "signature", "signatures", "srCms", "x5c", "x5t#S256", "x5t#o", "sigX5ts", "adoTst", "sigPId", "arcTst",
    "sigTst", "xVals", "rVals", "tstVD", "canonAlg", "tstTokens", "kokuin-required", "pars", "hashV", "hashM",
    "mId", "ctys", "__proto__",
)  # fmt: skip


class Opened(dict[str, Any]):
    """A JSON object that stood in base64url."""


def _open(value: Any) -> Any:
    """Return the same with the JSON in its texts as objects."""
    if isinstance(value, dict):
        return {name: _open(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_open(each) for each in value]
    if isinstance(value, str) and value.startswith("ey"):
        try:
            inner = json.loads(base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)))
        except (binascii.Error, ValueError):
            return value
        if isinstance(inner, dict):
            return Opened({name: _open(each) for name, each in inner.items()})
    return value


def _close(value: Any) -> Any:
    if isinstance(value, Opened):
        text = json.dumps({name: _close(each) for name, each in value.items()}).encode()
        return base64.urlsafe_b64encode(text).rstrip(b"=").decode()
    if isinstance(value, dict):
        return {name: _close(each) for name, each in value.items()}
    return [_close(each) for each in value] if isinstance(value, list) else value


def _containers(value: Any) -> Iterator[Any]:
    if isinstance(value, dict | list):
        yield value
        for each in value.values() if isinstance(value, dict) else value:
            yield from _containers(each)


@dataclass(slots=True)
class JsonMutator:
    """An endless source of damaged seals in any serialisation.

    Attributes:
        seeds: sealed documents.
        seed: of the random numbers.
    """

    seeds: Sequence[bytes]
    seed: int
    _random: random.Random = field(init=False)
    _octets: Mutator = field(init=False)
    _trees: list[Any] = field(init=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311  # inputs that can be made again, no secrets
        self._octets = Mutator(self.seeds, self.seed, limit=1 << 20)
        self._trees = [_open(_document(each)) for each in self.seeds]

    def next(self) -> bytes:
        """Return the next input."""
        if self._random.random() < 0.25:
            return self._octets.next()
        tree = copy.deepcopy(self._random.choice(self._trees))
        for _ in range(self._random.choice((1, 1, 1, 2, 5))):
            self._change(tree)
        document = _close(tree)
        text = json.dumps(document)
        if self._random.random() < 0.3 and isinstance(document, dict):
            parts = (document.get(name) for name in ("protected", "payload", "signature"))
            text = ".".join(str(part) for part in parts)
        if self._random.random() < 0.05:
            return self._doubled(text).encode()
        return text.encode()

    def _change(self, tree: Any) -> None:
        place = self._random.choice(list(_containers(tree)))
        others = list(_containers(self._random.choice(self._trees)))
        new = copy.deepcopy(self._random.choice((self._random.choice(_VALUES), self._random.choice(others))))
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        what = self._random.randrange(5)
        if isinstance(place, dict) and (what == 0 or not keys):
            place[self._random.choice(_NAMES)] = new
        elif not keys:
            place.append(new)
        elif what == 1:
            del place[self._random.choice(keys)]
        elif what == 2 and isinstance(place, list):
            place.insert(self._random.choice(keys), copy.deepcopy(place[self._random.choice(keys)]))
        elif what == 3 and isinstance(place[key := self._random.choice(keys)], str):
            place[key] = self._text(place[key])
        else:
            place[self._random.choice(keys)] = new

    def _text(self, text: str) -> str:
        at = self._random.randint(0, len(text))
        return self._random.choice(
            (text[:at], text[:at] + "A" + text[at + 1 :], text + "A", text[at:] + text[:at])
        )

    def _doubled(self, text: str) -> str:
        name = self._random.choice(_NAMES)
        return text.replace("{", f'{{"{name}":"AA",', 1)


def _document(sealed: bytes) -> Any:
    if sealed.startswith((b"{", b"[")):
        return json.loads(sealed)
    protected, payload, signature = sealed.decode().split(".")
    return {"payload": payload, "protected": protected, "signature": signature}
