"""Who asks: the one place that turns what a request shows into a `Principal`.

A secret that is wrong is refused in the same words and with the same steps as one that nobody ever had: a
caller learns neither which keys exist nor, by the time that it takes, how much of a guess was right.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kokuin.service.access.bearer_tokens import BearerTokens
from kokuin.service.access.credentials import Kind, digest_of, read_authorization
from kokuin.service.access.denials import Denial, DenialCode
from kokuin.service.access.peers import Proxies, is_within
from kokuin.service.access.principal import NOBODY, OPERATOR_TENANT, PUBLIC_TENANT, Principal, Role
from kokuin.service.access.quotas import FailureThrottle, Quotas
from kokuin.service.access.table import AccessTable, subject_key
from kokuin.service.access.validity import is_valid

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from kokuin.service.access.bearer_tokens import PinnedIssuer
    from kokuin.service.access.credentials import Credential
    from kokuin.service.access.peers import Network, Peer
    from kokuin.service.access.table import Client, Key
    from kokuin.service.config_access import Access

    Fields = Sequence[tuple[bytes, bytes]]

_ANYBODY = Principal(PUBLIC_TENANT, "anonymous", frozenset({Role.STAMP}))
_OPERATOR = Principal(
    OPERATOR_TENANT, "operator-key", frozenset({Role.OPERATE, Role.AUDIT, Role.APPROVE}), person=True
)
_NOBODYS_DIGEST = "0" * 64
"""Compared with where there is no digest; no octets are known that have it."""
_AUTHORIZATION = b"authorization"
_GUESSES = frozenset(
    {
        DenialCode.CREDENTIAL_WRONG,
        DenialCode.TOKEN_INVALID,
        DenialCode.TOKEN_ISSUER,
        DenialCode.CERTIFICATE_UNKNOWN,
        DenialCode.PROXY_FORGED,
    }
)
"""What counts against an address. A right key that is over is no guess: its neighbours there did nothing."""


@dataclass(frozen=True, slots=True)
class _Known:
    """A client, and what is made of it once."""

    client: Client
    principal: Principal
    networks: tuple[Network, ...]


class Doorkeeper:
    """Makes the `Principal` of every HTTP request of a worker, and counts what its clients do."""

    def __init__(
        self, access: Access, operator_digest: str | None, issuers: Iterable[PinnedIssuer] = ()
    ) -> None:
        """Know nobody but the operator, until `install`.

        Args:
            access: the configuration.
            operator_digest: SHA-256 (hex) of the operator key, None when no key was made.
            issuers: what `bearer_tokens.read_issuers` returned.
        """
        self.anonymous = _ANYBODY if access.timestamps == "open" else NOBODY
        """Who asks without showing anything."""
        self._operator_digest = operator_digest or _NOBODYS_DIGEST
        self._tokens = BearerTokens(issuers)
        self._proxies = Proxies(access.proxy)
        self._throttle = FailureThrottle(access.failures_per_minute)
        self._quotas = Quotas()
        self._denials: Counter[tuple[str, str]] = Counter()
        self.telling_fields = self._proxies.telling_fields | {_AUTHORIZATION}
        """Names of fields by which a request shows something; without one, a peer without a certificate is
        `anonymous`."""
        self.install(AccessTable())

    def install(self, table: AccessTable) -> None:
        """Know these clients from now on."""
        self._keys, self._certificates, self._subjects = table.keys, table.certificates, table.subjects
        self._clients = {client.id: _known(client) for client in table.clients.values()}
        self._quotas.install(table.clients.values(), table.exhausted)

    def admit(self, headers: Fields, peer: Peer, *, basic: bool = False) -> Principal | Denial:
        """Return who a request speaks for, or why it speaks for nobody; a wrong guess counts.

        Args:
            headers: fields as received, names in lower case.
            peer: of the connection.
            basic: whether HTTP Basic is taken here.
        """
        address, found = self._look(headers, peer, basic=basic)
        if isinstance(found, Denial) and found.code in _GUESSES:
            self._throttle.fail(address)
        return found

    def recognise(self, headers: Fields, peer: Peer, *, basic: bool = False) -> Principal | None:
        """Return the same without counting: None for whoever must be refused, which `admit` does."""
        found = self._look(headers, peer, basic=basic)[1]
        return None if isinstance(found, Denial) else found

    def spend(self, principal: Principal, acts: int = 1) -> Denial | None:
        """Take acts from the caller's rate and day, and count them; None: they were there."""
        return self._quotas.spend(principal.actor, acts)

    def note(self, denial: Denial) -> None:
        """Count a denial that was answered, for the worker's next report."""
        self._denials[denial.code, denial.tenant] += 1

    def drain_denials(self) -> tuple[tuple[str, str, int], ...]:
        """Return (code, tenant, how many) of what was noted since the last call."""
        noted, self._denials = self._denials, Counter()
        return tuple((code, tenant, count) for (code, tenant), count in noted.items())

    def drain_used(self) -> dict[str, int]:
        """Return the acts by client since the last call."""
        return self._quotas.drain_used()

    def put_back(self, denials: Iterable[tuple[str, str, int]], used: Mapping[str, int]) -> None:
        """Count what was drained once more: nobody took the report."""
        for code, tenant, count in denials:
            self._denials[code, tenant] += count
        for client, acts in used.items():
            self._quotas.used(client, acts)

    def _look(self, headers: Fields, peer: Peer, *, basic: bool) -> tuple[str, Principal | Denial]:
        """Return the caller's address, and the caller."""
        caller = self._proxies.caller(headers, peer)
        shown = [value for name, value in headers if name == _AUTHORIZATION]
        if isinstance(caller, DenialCode):
            return peer.address, self._throttled(peer.address) or Denial(caller)
        if not shown and caller.certificate is None:
            return caller.address, self.anonymous
        # Before anything is hashed: whoever only wants to keep us busy costs a look-up.
        found = self._throttled(caller.address) or self._judge(shown, caller, basic=basic)
        return caller.address, found

    def _throttled(self, address: str) -> Denial | None:
        wait_s = self._throttle.wait_s(address)
        return None if wait_s is None else Denial(DenialCode.FAILURES_EXCEEDED, retry_s=wait_s)

    def _judge(self, shown: list[bytes], caller: Peer, *, basic: bool) -> Principal | Denial:
        if len(shown) + (caller.certificate is not None) > 1:
            return Denial(DenialCode.CREDENTIAL_TWICE)
        if not shown:
            return self._by_certificate(caller)
        credential = read_authorization(shown[0], basic=basic)
        if isinstance(credential, DenialCode):
            return Denial(credential)
        match credential.kind:
            case Kind.API_KEY:
                return self._by_key(credential, caller)
            case Kind.TOKEN:
                return self._by_token(credential, caller)
            case Kind.OPERATOR_KEY:
                right = _is_secret(credential, self._operator_digest)
                return _OPERATOR if right else Denial(DenialCode.CREDENTIAL_WRONG)

    def _by_key(self, credential: Credential, caller: Peer) -> Principal | Denial:
        key = self._keys.get(credential.key_id)
        right = _is_secret(credential, _NOBODYS_DIGEST if key is None else key.digest)
        known = None if key is None else self._clients.get(key.client)
        if not right or key is None or known is None:
            return Denial(DenialCode.CREDENTIAL_WRONG)
        over = _key_over(key)
        return Denial(over, known.client.tenant) if over else _let_in(known, caller)

    def _by_token(self, credential: Credential, caller: Peer) -> Principal | Denial:
        bearer = self._tokens.read(credential.secret)
        if isinstance(bearer, DenialCode):
            return Denial(bearer)
        client = self._subjects.get(subject_key(bearer.issuer, bearer.subject), "")
        known = self._clients.get(client)
        return Denial(DenialCode.TOKEN_SUBJECT) if known is None else _let_in(known, caller)

    def _by_certificate(self, caller: Peer) -> Principal | Denial:
        # A fingerprint is no secret: TLS has shown that the caller holds the key.
        known = self._clients.get(self._certificates.get(caller.certificate or "", ""))
        if known is None:
            return Denial(DenialCode.CERTIFICATE_UNKNOWN)
        if not is_valid(caller.begins_us, caller.ends_us, time.time_ns() // 1000):
            return Denial(DenialCode.CERTIFICATE_EXPIRED, known.client.tenant)
        return _let_in(known, caller)


def _known(client: Client) -> _Known:
    principal = Principal(
        client.tenant,
        client.id,
        client.roles,
        profiles=client.profiles,
        classes=client.classes,
        person=client.person,
        activated=client.activated,
    )
    return _Known(client, principal, tuple(map(ipaddress.ip_network, client.networks)))


def _let_in(known: _Known, caller: Peer) -> Principal | Denial:
    client = known.client
    if not client.enabled:
        return Denial(DenialCode.CLIENT_DISABLED, client.tenant)
    if not is_valid(client.begins_us, client.ends_us, time.time_ns() // 1000):
        return Denial(DenialCode.CLIENT_EXPIRED, client.tenant)
    if known.networks and not is_within(caller.address, known.networks):
        return Denial(DenialCode.NETWORK_NOT_ALLOWED, client.tenant)
    return known.principal


def _key_over(key: Key) -> DenialCode | None:
    if key.is_revoked(time.time_ns() // 1000):
        return DenialCode.KEY_REVOKED
    return None if is_valid(key.begins_us, key.ends_us, time.time_ns() // 1000) else DenialCode.KEY_EXPIRED


def _is_secret(credential: Credential, digest: str) -> bool:
    # A secret has 256 random bits, so a plain hash hides it; the comparison takes the same time always.
    return hmac.compare_digest(digest_of(credential.secret), digest)


def read_operator_digest(path: Path) -> str | None:
    """Read the stored hash of the operator key; None when there is none or it is no SHA-256 in hex."""
    try:
        text = path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return None
    return text if re.fullmatch("[0-9a-f]{64}", text) else None
