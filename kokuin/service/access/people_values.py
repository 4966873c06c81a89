"""What may be said of tenants, clients, keys and bindings: each value judged before anything is done."""

from __future__ import annotations

import hashlib
import ipaddress
import re
import unicodedata
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from kokuin.service.access.principal import Role

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MAX_NAME = 200
"""Characters of a tenant's or client's name."""
MAX_LIST = 64
"""How many profiles, classes or networks a client may be held to."""
MAX_TEXT = 255
"""Characters of an issuer or a subject."""
MAX_PEM = 65_536
MAX_MOMENT = 1 << 53
"""Microseconds since 1970 UTC; in JSON a larger number is not everybody's."""
MIN_RATE, MAX_RATE = 1e-6, 1_000_000
"""Of rates, a second: below the former one waits longer than any clock reckons."""
MAX_PER_DAY = 1_000_000_000_000
MAX_GRACE_SECONDS = 90 * 86_400

_IDEOGRAPHIC_SPACE = "\u3000"
"""Stands within Japanese names; Python does not count it as printable."""
_WORD = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)


class PeopleRefusedError(Exception):
    """Nothing was changed.

    Attributes:
        code: stable.
        field: the argument that is unfit; empty: none of them.
        detail: one line of English, without the value.
    """

    def __init__(self, code: str, field: str = "", detail: str = "") -> None:
        super().__init__(code)
        self.code, self.field, self.detail = code, field, detail

    @property
    def answer(self) -> dict[str, Any]:
        """What whoever asked is told."""
        named = {"field": self.field, "detail": self.detail}
        return {"ok": False, "code": self.code, **{name: text for name, text in named.items() if text}}


def unfit(field: str, detail: str) -> PeopleRefusedError:
    """Return the refusal of a value."""
    return PeopleRefusedError("VALUE_UNFIT", field, detail)


def text_of(arguments: Mapping[str, Any], field: str, most: int = MAX_TEXT) -> str:
    """Return a line of text, in NFC.

    Raises:
        PeopleRefusedError: VALUE_UNFIT; also for control characters, with which a line could look like two.
    """
    value = arguments.get(field)
    # Compared before it is made longer by composing: a bound that comes later is none.
    if not isinstance(value, str) or not 0 < len(value) <= most:
        raise unfit(field, f"a line of 1 to {most} characters")
    text = unicodedata.normalize("NFC", value)
    if text != text.strip() or not text.replace(_IDEOGRAPHIC_SPACE, " ").isprintable():
        raise unfit(field, "printable characters, no space at either end")
    return text


def name_of(arguments: Mapping[str, Any], field: str = "name") -> str:
    """Return a tenant's or client's name; see `text_of`."""
    return text_of(arguments, field, MAX_NAME)


def id_of(arguments: Mapping[str, Any], field: str) -> str:
    """Return an id as it was said; whether there is such a thing is for the tables to say."""
    value = arguments.get(field)
    return value if isinstance(value, str) and value.isascii() and len(value) <= MAX_TEXT else ""


def moment_of(arguments: Mapping[str, Any], field: str) -> int | None:
    """Return a moment, microseconds since 1970 UTC; None: open.

    Raises:
        PeopleRefusedError: VALUE_UNFIT.
    """
    return _moment(field, arguments.get(field))


def period_of(arguments: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """Return `begins_us` and `ends_us`.

    Raises:
        PeopleRefusedError: VALUE_UNFIT; also for an end that does not come after the beginning.
    """
    begins, ends = moment_of(arguments, "begins_us"), moment_of(arguments, "ends_us")
    require_period(begins, ends)
    return begins, ends


def require_period(begins_us: int | None, ends_us: int | None) -> None:
    """Refuse a validity of no time.

    Raises:
        PeopleRefusedError: VALUE_UNFIT.
    """
    if begins_us is not None and ends_us is not None and ends_us <= begins_us:
        raise unfit("ends_us", "after begins_us")


def grace_of(arguments: Mapping[str, Any]) -> int:
    """Return how many seconds a replaced key still counts.

    Raises:
        PeopleRefusedError: VALUE_UNFIT.
    """
    return _whole("grace_seconds", arguments.get("grace_seconds"), 0, MAX_GRACE_SECONDS)


def certificate_of(arguments: Mapping[str, Any]) -> str:
    """Return SHA-256, lower-case hex, of the DER of the one certificate in `certificate`, PEM.

    Raises:
        PeopleRefusedError: VALUE_UNFIT.
    """
    value = arguments.get("certificate")
    if isinstance(value, str) and len(value) <= MAX_PEM and value.isascii():
        try:
            found = x509.load_pem_x509_certificates(value.encode())
        except ValueError:
            found = []
        if len(found) == 1:
            return hashlib.sha256(found[0].public_bytes(Encoding.DER)).hexdigest()
    raise unfit("certificate", "one certificate in PEM")


def client_values(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of a client's values that are said, as the tables hold them.

    Raises:
        PeopleRefusedError: VALUE_UNFIT, for the first that is unfit.
    """
    said = {field: read(field, arguments[field]) for field, read in _CLIENT.items() if field in arguments}
    if "name" in arguments:
        said["name"] = name_of(arguments)
    return said


def _moment(field: str, value: object) -> int | None:
    return None if value is None else _whole(field, value, 0, MAX_MOMENT)


def _whole(field: str, value: object, least: int, most: int) -> int:
    if type(value) is not int or not least <= value <= most:
        raise unfit(field, f"a whole number from {least} to {most}")
    return value


def _truth(field: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise unfit(field, "true or false")
    return value


def _list(field: str, value: object) -> list[str]:
    if (
        not isinstance(value, list)
        or len(value) > MAX_LIST
        or not all(isinstance(each, str) for each in value)
    ):
        raise unfit(field, f"a list of at most {MAX_LIST} texts")
    return sorted(set(value))


def _roles(field: str, value: object) -> list[str]:
    roles = _list(field, value)
    if not set(roles) <= set(Role):
        raise unfit(field, f"of {', '.join(Role)}")
    return roles


def _words(field: str, value: object) -> list[str] | None:
    if value is None:
        return None
    words = _list(field, value)
    if not all(_WORD.fullmatch(word) for word in words):
        raise unfit(field, "names of small letters, digits and . _ -")
    return words


def _networks(field: str, value: object) -> list[str]:
    try:
        found = [ipaddress.ip_network(each) for each in _list(field, value)]
    except ValueError:
        # Bits beyond the prefix are refused, not cut: whoever wrote them meant another network.
        raise unfit(field, "CIDR blocks without bits beyond the prefix") from None
    return sorted({str(network) for network in found})


def _rate(field: str, value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not MIN_RATE <= value <= MAX_RATE:
        raise unfit(field, f"a number from {MIN_RATE:f} to {MAX_RATE}")
    return float(value)


def _burst(field: str, value: object) -> int:
    return _whole(field, value, 1, MAX_RATE)


def _per_day(field: str, value: object) -> int | None:
    return None if value is None else _whole(field, value, 0, MAX_PER_DAY)


_CLIENT: Mapping[str, Callable[[str, Any], Any]] = {
    "roles": _roles,
    "person": _truth,
    "profiles": _words,
    "classes": _words,
    "networks": _networks,
    "begins_us": _moment,
    "ends_us": _moment,
    "rate": _rate,
    "burst": _burst,
    "per_day": _per_day,
    "activated": _truth,
}
"""How each value of a client is read, but its name."""
