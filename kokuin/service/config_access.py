"""The configuration of access: `[access]`, `[access.proxy]` and `[access.issuers.NAME]`."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from kokuin.service.config_types import (  # pydantic reads the annotations
    Count,
    Named,
    PlainPath,
    Table,
)

if TYPE_CHECKING:
    from pathlib import Path

Algorithm = Literal["ES256", "ES384", "EdDSA", "PS256", "RS256"]
"""JWS algorithms that are taken (RFC 7518 §3.1, RFC 8037 §3.1): asymmetric, each with one type of key."""


def _network(text: str) -> str:
    ipaddress.ip_network(text)  # strict: a block with host bits set may not be the one that was meant
    return text


def _visible(text: str) -> str:
    if not text.isprintable():
        raise ValueError("holds characters that nobody sees")
    return text


Network = Annotated[str, AfterValidator(_network)]
FieldName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9-]{0,63}$")]
Claim = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_visible)]


class Proxy(Table):
    """Proxies that may say who their client is; of everybody else such a field is refused as forged."""

    networks: tuple[Network, ...] = ()
    certificate: FieldName = "Client-Cert"
    address: FieldName | Literal[""] = "X-Forwarded-For"

    @model_validator(mode="after")
    def _are_two_fields(self) -> Self:
        names = {self.certificate.lower(), self.address.lower(), "authorization", "content-length", "host"}
        if len(names) != 5:
            raise ValueError("certificate and address want fields of their own")
        return self


class TokenIssuer(Table):
    """An issuer of JWTs (OpenID Connect) whose keys lie in a file: nobody is asked who may come in."""

    issuer: Claim
    audience: Claim
    keys: PlainPath
    algorithms: Annotated[tuple[Algorithm, ...], Field(min_length=1)] = ("ES256",)
    max_seconds: Annotated[int, Field(strict=True, ge=1, le=86_400)] = 3600


class Access(Table):
    """Who may stamp, how many people a change of access wants, and who else may vouch for callers.

    `timestamps` is `open`: whoever comes may stamp; `keyed`: whose credential has the role; `closed`: only
    clients of the operator's own tenant.
    """

    timestamps: Literal["open", "keyed", "closed"] = "keyed"
    approvals: Annotated[int, Field(strict=True, ge=1, le=2)] = 1
    failures_per_minute: Count = 30
    proxy: Proxy = Proxy()
    issuers: dict[Named, TokenIssuer] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _issuers_are_several(self) -> Self:
        # Which keys judge a token is chosen by its issuer: it must be one choice.
        if len({each.issuer for each in self.issuers.values()}) != len(self.issuers):
            raise ValueError("two issuers have the same name in `issuer`")
        return self

    def below(self, folder: Path) -> Self:
        """Return the same with paths that are relative to `folder` made absolute."""
        issuers = {
            name: issuer.model_copy(update={"keys": (folder / issuer.keys).resolve()})
            for name, issuer in self.issuers.items()
        }
        return self.model_copy(update={"issuers": issuers})
