"""The effective configuration: `config.toml` of the data folder, overridden by `TSA_*` variables.

Everything is checked when it is read. A value that cannot be read is fatal: an
authority that guesses what its operator meant is worse than one that is down.
"""

from __future__ import annotations

import hashlib
import os
import tomllib
from dataclasses import asdict, fields
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import orjson
from pydantic import (
    AfterValidator,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from kokuin.service.config_access import Access
from kokuin.service.config_ledger import Ledger
from kokuin.service.config_server import Server
from kokuin.service.config_types import (  # pydantic reads the annotations
    Named,
    Oid,
    PlainPath,
    Table,
    Years,
)
from pqc.policies import BASELINE, PolicyError, load_policy, shipped_policies
from pqc.profiles import DEVELOPMENT_ARC, available
from tsa.clock.settings import ClockSettings

ENVIRONMENT_PREFIX = "TSA_"
_NOT_CONFIGURATION = frozenset({"TSA_LANG", "TSA_PASSPHRASE", "TSA_PIN", "TSA_RECIPIENT_PASSPHRASE"})
"""Variables that other parts of the command read; they are no part of the configuration."""


class ConfigError(Exception):
    """The configuration cannot be used; the message is one line that names the place and what to do."""


class Unit(Table):
    """How tokens look."""

    name_in_token: bool = False
    organisation: str = "kokuin development"


class Requests(Table):
    """What a request may ask for beyond RFC 3161's own fields."""

    extensions: tuple[Oid, ...] = ()
    critical_extensions: bool = False


_CLOCK = TypeAdapter(ClockSettings)
_CLOCK_FIELDS = frozenset(field.name for field in fields(ClockSettings)) - {"accuracy_us"}


def _clock_table(table: dict[str, Any]) -> dict[str, Any]:
    """Check `[clock]` against `ClockSettings`; the accuracy is the profile's and stands there only."""
    unknown = table.keys() - _CLOCK_FIELDS
    if unknown:
        raise ValueError(f"unknown fields {', '.join(sorted(unknown))}")
    problems = _CLOCK.validate_python(table).problems()
    if problems:
        raise ValueError(", ".join(problem.value for problem in problems))
    return table


ClockTable = Annotated[dict[str, Any], AfterValidator(_clock_table)]
"""Fields of `tsa.clock.settings.ClockSettings`, each optional."""


class Switch(Table):
    """How profiles are switched: with `approvals = 2` another actor must approve what one proposed."""

    approvals: Annotated[int, Field(strict=True, ge=1, le=2)] = 1


class Verify(Table):
    """Judging time-stamps for others: who may ask, whom it trusts, and how many children judge."""

    open: bool = True
    trust: PlainPath = Path("trust")
    children: Annotated[int, Field(strict=True, ge=1, le=64)] = 2


class Policies(Table):
    """Which policy decides what may be issued: a shipped one's name, or the path of a file.

    `baseline` knows no dates, so that a folder that could issue yesterday can today. What a jurisdiction
    wants is the operator's to choose.
    """

    issue: Named = BASELINE


class Pkcs11Key(Table):
    """A profile's key in a device behind PKCS#11; the PIN is in `pin_file` or in `TSA_PIN`, never here."""

    backend: Literal["pkcs11"]
    module: PlainPath
    token: Annotated[str, Field(min_length=1, max_length=32)]
    label: Annotated[str, Field(min_length=1)] | None = None
    id: Annotated[str, Field(pattern=r"^([0-9a-f]{2})+$")] | None = None
    pin_file: PlainPath | None = None
    extractable: bool = False

    @model_validator(mode="after")
    def _is_named(self) -> Self:
        if self.label is None and self.id is None:
            raise ValueError("label or id must name the key")
        return self


class LiboqsKey(Table):
    """A profile's key file, signed with by the liboqs at `library`: experimental."""

    backend: Literal["liboqs"]
    library: PlainPath


SignerTable = Annotated[Pkcs11Key | LiboqsKey, Field(discriminator="backend")]
"""Where the key of a profile's unit is used; without a table: here, from `keys/unit-PROFILE.pem`."""


class Config(Table):
    """All of it. Relative paths are relative to the file."""

    profile: str = "hybrid"
    arc: Oid = DEVELOPMENT_ARC
    checks: Literal["rfc3161", "etsi-319-422"] = "rfc3161"
    pki: Literal["development", "operator"] = "operator"
    keys: PlainPath = Path("keys")
    passphrase_file: PlainPath | None = None
    retention_years: Years = 10
    server: Server = Server()
    unit: Unit = Unit()
    requests: Requests = Requests()
    clock: ClockTable = Field(default_factory=dict)
    ledger: Ledger = Ledger()
    access: Access = Access()
    signers: dict[str, SignerTable] = Field(default_factory=dict)
    switch: Switch = Switch()
    policy: Policies = Policies()
    verify: Verify = Verify()

    def clock_settings(self, accuracy_us: int) -> ClockSettings:
        """The guard's settings; tokens declare the profile's accuracy, microseconds."""
        return _CLOCK.validate_python({**self.clock, "accuracy_us": accuracy_us})

    def digest(self) -> str:
        """SHA-256, hex, of the configuration in force: what each leaf's `cfg` names."""
        # The clock's fields with their defaults: writing one out changes nothing that is in force.
        document = {**self.model_dump(mode="json"), "clock": asdict(_CLOCK.validate_python(self.clock))}
        return hashlib.sha256(orjson.dumps(document, option=orjson.OPT_SORT_KEYS)).hexdigest()


def load_config(folder: Path, environment: dict[str, str] | None = None) -> Config:
    """Read `folder/config.toml` and the environment.

    Args:
        folder: the data folder.
        environment: `TSA_SERVER__PORT=3162` sets `server.port`; None: the process's own.

    Raises:
        ConfigError: unreadable file, unknown or ill-typed field, unknown variable.
    """
    path = folder / "config.toml"
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        # A folder that was made once and lost its file is to be restored: made anew, it would lose the rest.
        remedy = "" if (folder / "format").exists() else f"; `tsa init --dir {folder}` makes one"
        raise ConfigError(f"{path}: {error.strerror}{remedy}") from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: {error}") from None
    _apply_environment(table, dict(os.environ) if environment is None else environment)
    try:
        config = Config.model_validate(table)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{path}: {place}: {first['msg']}") from None
    # A name mistyped would leave the profile's key where nobody meant it to be.
    for name in config.signers.keys() - set(available(folder / "profiles")):
        raise ConfigError(f"{path}: signers.{name}: there is no such profile")
    config = config.model_copy(update=_absolute(config, folder))
    try:
        load_policy(config.policy.issue)
    except PolicyError as error:
        raise ConfigError(f"{path}: policy.issue: {error}") from None
    return config


def _absolute(config: Config, folder: Path) -> dict[str, object]:
    paths = {"keys": config.keys, "passphrase_file": config.passphrase_file}
    absolute: dict[str, object] = {
        name: (folder / path).resolve() for name, path in paths.items() if path is not None
    }
    signers = {name: _absolute_signer(table, folder) for name, table in config.signers.items()}
    issue = config.policy.issue
    if issue not in shipped_policies():
        issue = str((folder / issue).resolve())
    return {
        **absolute,
        "signers": signers,
        "policy": Policies(issue=issue),
        "server": config.server.below(folder),
        "ledger": _ledger(config, folder),
        "access": config.access.below(folder),
        "verify": config.verify.model_copy(update={"trust": (folder / config.verify.trust).resolve()}),
    }


def _ledger(config: Config, folder: Path) -> Ledger:
    ledger = config.ledger
    update: dict[str, object] = {"high_water": (folder / ledger.high_water).resolve()}
    if ledger.witnesses is not None:
        update["witnesses"] = (folder / ledger.witnesses).resolve()
    if ledger.stamps.trust is not None:
        trust = (folder / ledger.stamps.trust).resolve()
        update["stamps"] = ledger.stamps.model_copy(update={"trust": trust})
    return ledger.model_copy(update=update)


def _absolute_signer(table: Pkcs11Key | LiboqsKey, folder: Path) -> Pkcs11Key | LiboqsKey:
    paths = {name: getattr(table, name, None) for name in ("module", "pin_file", "library")}
    found = {name: (folder / path).resolve() for name, path in paths.items() if path is not None}
    return table.model_copy(update=found)


def _apply_environment(table: dict[str, Any], environment: dict[str, str]) -> None:
    """Set `a.b` from `TSA_A__B`; the value is TOML where it reads as TOML, else text."""
    for name in sorted(environment):
        if not name.startswith(ENVIRONMENT_PREFIX) or name in _NOT_CONFIGURATION:
            continue
        *path, last = name.removeprefix(ENVIRONMENT_PREFIX).lower().split("__")
        place = table
        for part in path:
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                raise ConfigError(f"{name}: {part} is no table")
        place[last] = _value(name, environment[name])


def _value(name: str, text: str) -> object:
    # Octets that are no UTF-8 become lone surrogates, which no leaf and no digest could hold.
    if not text.isascii() and text != text.encode("utf-8", "replace").decode():
        raise ConfigError(f"{name}: no UTF-8")
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        return text
