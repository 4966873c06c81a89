"""`GET /api/v1/seal-profiles`: what a document system may have sealed, and in whose name.

Profiles are added and withdrawn by the folder's owner alone (`tsa seal-profile`): whoever can seal with a key
over HTTP must not be able to say in whose name.
"""

from __future__ import annotations

import asyncio
import functools
import time
from typing import TYPE_CHECKING, Any

from fastapi import Request  # noqa: TC002  # FastAPI reads the routes' annotations when they are added
from fastapi.responses import JSONResponse, Response

from kokuin.service.access.gate import principal_of
from kokuin.service.eseals.profiles_folder import place_of, profiles_of, read_stored
from kokuin.service.eseals.profiles_view import certificate_facts, own_certificates
from kokuin.service.eseals.values import SealAbsentError, SealProblem, SealUnfitError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi import FastAPI

    from kokuin.service.access.principal import Principal
    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.eseals.profiles_folder import StoredSeal

PATH = "/api/v1/seal-profiles"

_EXAMPLE = {
    "profiles": [
        {
            "profile": "main",
            "formats": ["cades", "json", "pdf"],
            "suites": ["ecdsa-p256-sha256"],
            "level": "B-LTA",
            "min_level": "B-B",
            "activation": False,
            "problem": "",
            "certificates": [
                {
                    "suite": "ecdsa-p256-sha256",
                    "certificate": "0" * 64,
                    "subject": "CN=Seal,organizationIdentifier=NTRJP-7000012050002,O=Aoyama,C=JP",
                    "issuer": "CN=Issuing authority",
                    "begins_us": 1796256000000000,
                    "ends_us": 1859328000000000,
                    "states": [],
                }
            ],
        }
    ]
}
_ANSWER = {"description": "The profiles, by name.", "content": {"application/json": {"example": _EXAMPLE}}}


def add(app: FastAPI, folder: DataFolder, config: Config) -> None:
    """Add the route."""

    @app.get(PATH, tags=["sealing"], responses={200: _ANSWER})
    async def seal_profiles(request: Request) -> Response:
        """The seal profiles in force that the caller may name, and the certificates that they seal with."""
        found = functools.partial(offers, folder, config, principal_of(request))
        profiles = await asyncio.to_thread(lambda: list(found()))
        return JSONResponse({"profiles": profiles}, headers={"Cache-Control": "no-store"})


def offers(folder: DataFolder, config: Config, principal: Principal) -> Iterator[dict[str, Any]]:
    """Describe the profiles of the caller's tenant that the caller may use; no key is opened.

    A profile with a `problem` is in force and cannot seal now: a stable code, see `SealProblem`.
    """
    for name in profiles_of(folder, principal.tenant):
        if not principal.may_use(name):
            continue
        try:
            stored = read_stored(place_of(folder, config, principal.tenant, name))
        except SealAbsentError:
            continue  # withdrawn since it was listed
        except SealUnfitError as error:
            yield {"profile": name, "problem": error.problem}
        else:
            yield {"profile": name, **_described(stored)}


def _described(stored: StoredSeal) -> dict[str, Any]:
    profile, now_us = stored.profile, time.time_ns() // 1_000
    valid = {
        suite: [each for each in own_certificates(stored, suite) if each.valid_at(now_us)]
        for suite in profile.suites
    }
    return {
        "formats": sorted(profile.formats),
        "suites": [suite.id for suite in profile.suites],
        "level": profile.level,
        "min_level": profile.min_level,
        "activation": profile.activation,
        "problem": "" if all(valid.values()) else SealProblem.NOT_CERTIFIED,
        "certificates": [certificate_facts(suite, own[0]) for suite, own in valid.items() if own],
    }
