"""Who answers which request under one configuration: by the URL path, by the policy asked for, by default."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tsa import status

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kokuin.service.access.principal import Principal
    from kokuin.service.evidence.embedding import ArchiveUnit
    from kokuin.service.issuing import Issuer
    from kokuin.wire.tsp import TimeStampReq
    from tsa.status import Refusal

NO_PROFILE = "none"
"""Stands in metrics and leaves for a profile that does not exist."""


class Issuers:
    """The issuers of every profile that is on.

    Attributes:
        slow: profiles whose signatures are made in threads.
        archives: units that can put evidence into tokens, by profile name.
    """

    __slots__ = ("_by_policy", "_by_profile", "_default", "archives", "slow")

    def __init__(
        self,
        issuers: Mapping[str, Issuer],
        default: str,
        slow: frozenset[str],
        archives: Mapping[str, ArchiveUnit],
    ) -> None:
        """Args: issuers by profile name; the profile of `POST /tsa` without reqPolicy; `slow`; `archives`."""
        self._by_profile = issuers
        self._by_policy = {issuer.rules.policy: issuer for issuer in issuers.values()}
        self._default = issuers[default]
        self.slow = slow
        self.archives = archives

    @property
    def configuration(self) -> str:
        """Digest of the configuration under which they issue."""
        return self._default.configuration

    @property
    def certificate(self) -> bytes:
        """Of the unit that answers requests which name no profile, DER."""
        return self._default.unit.certificate

    def choose(self, request: TimeStampReq, profile: str | None, principal: Principal) -> Issuer | Refusal:
        """Say who answers, among the profiles that whoever asks may use, or why nobody does."""
        issuer = self._named(request, profile)
        if issuer is None:
            return status.POLICY_UNKNOWN
        return issuer if principal.may_use(issuer.profile) else status.PROFILE_NOT_ALLOWED

    def _named(self, request: TimeStampReq, profile: str | None) -> Issuer | None:
        """By path, else by reqPolicy, else the default; an unknown reqPolicy is left to the decision."""
        if profile is not None:
            return self._by_profile.get(profile)
        if request.policy is None:
            return self._default
        return self._by_policy.get(request.policy, self._default)

    def archive(self, issuer: Issuer) -> ArchiveUnit | None:
        """Return who puts evidence into the tokens of an issuer; None: nobody can."""
        return None if issuer.evidence is None else self.archives.get(issuer.evidence)

    def embeds(self, profile: str | None) -> bool:
        """Say whether tokens of a profile, None for the default, can leave with their evidence in them."""
        issuer = self._default if profile is None else self._by_profile.get(profile)
        return issuer is not None and self.archive(issuer) is not None

    def owes(self, profile: str) -> bool:
        """Say whether evidence is made for tokens of a profile."""
        issuer = self._by_profile.get(profile)
        return issuer is not None and issuer.evidence is not None

    def known(self, profile: str | None) -> str:
        """Name a profile that exists: a path that a client made up becomes no metric's label and no leaf."""
        if profile is None:
            return self._default.profile
        return profile if profile in self._by_profile else NO_PROFILE
