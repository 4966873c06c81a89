"""Making a data folder: configuration, keys, certificates, an empty ledger, the operator key.

`format` is written last, so that a folder whose making was cut short is no
data folder and is never served.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kokuin.ledger import schema
from kokuin.service.access import state
from kokuin.service.config import Config, ConfigError, load_config
from kokuin.service.datafolder import FORMAT, DataFolder
from kokuin.service.joining import take_certificates
from kokuin.service.keystore import key_file
from kokuin.service.log_signing import copy_log_keys, make_log_keys
from kokuin.service.provisioning import certify, unrecorded
from kokuin.service.unit_errors import UnitError
from kokuin.service.units import read_passphrase
from kokuin.trust.certification_request import unit_request
from kokuin.trust.name import MAX_ATTRIBUTE_CHARACTERS
from pqc.keyfiles import KeyFileError, read_key, write_key
from pqc.profiles import ProfileError, load_shipped, shipped
from pqc.signing import KeyMismatchError, SoftwareSigner, generate_key
from tsa.clock.settings import ClockSettings, SourceKind

if TYPE_CHECKING:
    from pathlib import Path

    from pqc.profiles import Profile
    from pqc.signing import Signer


class InitError(Exception):
    """The folder cannot be made; `key` and `params` name the sentence for the user."""

    def __init__(self, key: str, **params: object) -> None:
        super().__init__(key)
        self.key = key
        self.params = params


@dataclass(frozen=True, slots=True)
class InitRequest:
    """What the operator asked for; None: the default.

    With `postgres` the ledger lies in a database that `tsa ledger create` has made, and `join` names the
    folder of another node, whose log this one writes to as well.
    """

    root: Path
    profile: str = "hybrid"
    keys: Path | None = None
    production: bool = False
    clock: str | None = None
    ntp_servers: tuple[str, ...] = ()
    organisation: str | None = None
    origin: str | None = None
    postgres: str | None = None
    node: str = "main"
    join: Path | None = None


@dataclass(slots=True)
class InitDone:
    """What was made: sentences for the user, by key and parameters."""

    notes: list[tuple[str, dict[str, object]]] = field(default_factory=list)

    def note(self, key: str, **params: object) -> None:
        """Add a sentence."""
        self.notes.append((key, params))


def initialise(request: InitRequest) -> InitDone:
    """Make a data folder.

    Raises:
        InitError: the folder is in use, profile or clock are unfit, production asks for what is missing, a
            key from before or a variable cannot be used, or a file cannot be written.
    """
    profile = _profile(request)
    _check_clock(request)
    _check_origin(request)
    try:
        return _initialise(request, profile)
    except KeyFileError as error:
        raise InitError("init.key", reason=error) from None
    except ConfigError as error:
        raise InitError("init.configuration", reason=error) from None
    except OSError as error:
        path = error.filename or request.root
        raise InitError("init.cannot_write", folder=path, reason=error.strerror) from None


def _initialise(request: InitRequest, profile: Profile) -> InitDone:
    folder, done = DataFolder(request.root), InitDone()
    _make_folders(folder)
    folder.config.write_text(_config_text(request, folder), encoding="utf-8")
    config = load_config(folder.root)
    config.keys.mkdir(parents=True, exist_ok=True)
    _units(folder, config, profile, done, production=request.production)
    _log_keys(folder, config, request.join, done)
    if config.ledger.postgres is None:
        schema.create(folder.ledger)
    state.create(folder.state)
    _operator_key(folder, done)
    folder.format.write_text(f"{FORMAT}\n", encoding="ascii")
    done.note("init.done", folder=folder.root)
    return done


def _profile(request: InitRequest) -> Profile:
    if request.production and request.clock in {None, SourceKind.SYSTEM}:
        raise InitError("init.production_clock")
    if request.production and not request.organisation:
        raise InitError("init.production_organisation")
    if len(request.organisation or "") > MAX_ATTRIBUTE_CHARACTERS:
        reason = f"organisation: a certificate has room for {MAX_ATTRIBUTE_CHARACTERS} characters"
        raise InitError("init.configuration", reason=reason)
    try:
        profile = load_shipped(request.profile)
    except ProfileError as error:
        raise InitError("init.profile_unknown", reason=error) from None
    if any(load_shipped(name).evidence == profile.name for name in shipped()):
        raise InitError("init.profile_unknown", reason=f"{profile.name} answers no request")
    return profile


def _check_clock(request: InitRequest) -> None:
    if request.ntp_servers and request.clock != SourceKind.NTP:
        raise InitError("init.ntp_servers_unused")
    problems = _clock_settings(request).problems()
    if problems:
        raise InitError("init.clock", reason=", ".join(problems))


def _clock_settings(request: InitRequest) -> ClockSettings:
    """More than half of the NTP servers must agree: two quorums of fewer could disagree."""
    servers = request.ntp_servers
    quorum = max(2, len(servers) // 2 + 1)
    return ClockSettings(kind=request.clock or SourceKind.SYSTEM, servers=servers, quorum=quorum)


def _make_folders(folder: DataFolder) -> None:
    if folder.root.exists() and any(folder.root.iterdir()):
        raise InitError("init.not_empty", folder=folder.root)
    folder.root.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path in (folder.anchors.parent, folder.ledger.parent):
        path.mkdir(mode=0o700)


def _config_text(request: InitRequest, folder: DataFolder) -> str:
    keys = "keys" if request.keys is None else os.path.relpath(request.keys, folder.root)
    clock = _clock_settings(request)
    lines = [
        "# kokuin: paths are relative to this file; TSA_SECTION__NAME in the environment overrides.",
        f"profile = {_quoted(request.profile)}",
        f"keys = {_quoted(keys)}",
        f'checks = "{"etsi-319-422" if request.production else "rfc3161"}"',
        f'pki = "{"operator" if request.production else "development"}"',
        "",
        "[unit]",
        f"organisation = {_quoted(request.organisation or 'kokuin development')}",
        "",
        "[access]",
        "# Who may stamp: anybody (open), clients with a credential (keyed), or the operator's own (closed).",
        f'timestamps = "{"keyed" if request.production else "open"}"',
        "",
        "[ledger]",
        "# The name of the log in every checkpoint: a URL without its scheme, never used for another log.",
        *_ledger_lines(request),
        "",
        "[clock]",
        *(
            ["# Development: the machine's own clock is believed, and every leaf says so."]
            * (clock.kind == SourceKind.SYSTEM)
        ),
        f'kind = "{clock.kind}"',
    ]
    if clock.servers:
        lines += [f"servers = [{', '.join(map(_quoted, clock.servers))}]", f"quorum = {clock.quorum}"]
    return "\n".join(lines) + "\n"


def _check_origin(request: InitRequest) -> None:
    """C2SP tlog-checkpoint: a URL without its scheme. No log can change its name: it is told beforehand."""
    scheme, separator, name = (request.origin or "").partition("://")
    if separator:
        raise InitError("init.origin_scheme", scheme=scheme, origin=name)


def new_origin() -> str:
    """Return a name for a log whose operator gave none: no other log has it."""
    return f"kokuin-{secrets.token_hex(6)}.invalid/log"


def _ledger_lines(request: InitRequest) -> list[str]:
    origin = request.origin or new_origin()
    if request.join is not None:
        origin = load_config(request.join).ledger.origin
    lines = [f"origin = {_quoted(origin)}"]
    if request.postgres is not None:
        lines += [f"postgres = {_quoted(request.postgres)}", f"node = {_quoted(request.node)}"]
    return lines


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    if not escaped.isprintable():
        raise InitError("init.unprintable")
    return f'"{escaped}"'


def _init_passphrase(config: Config) -> bytes | None:
    try:
        return read_passphrase(config, dict(os.environ))
    except UnitError as error:
        raise InitError("init.passphrase", reason=error) from None


def _unit_signer(config: Config, profile: Profile, done: InitDone) -> Signer:
    """Make the unit's key, or take the one that lies in the keys folder from an earlier data folder."""
    passphrase = _init_passphrase(config)
    path = key_file(config, profile.name)
    if path.exists():
        done.note("init.key_kept", path=path)
        try:
            return SoftwareSigner(profile.tst, read_key(path, passphrase))
        except KeyMismatchError:
            raise InitError("init.key", reason=f"{path} holds no key for {profile.tst.id}") from None
    key = generate_key(profile.tst)
    write_key(path, key, passphrase)
    done.note("init.key_made" if passphrase else "init.key_clear", path=path)
    return SoftwareSigner(profile.tst, key)


def _log_keys(folder: DataFolder, config: Config, join: Path | None, done: InitDone) -> None:
    try:
        if join is not None:
            copy_log_keys(DataFolder(join), load_config(join), folder, config)
            taken = take_certificates(DataFolder(join), folder)
            done.note("init.certificates_taken", count=taken, folder=folder.anchors.parent)
        else:
            passphrase = _init_passphrase(config)
            make_log_keys(folder, config, 1, passphrase)
            if passphrase is None:
                done.note("init.log_keys_clear", folder=config.keys)
    except UnitError as error:
        raise InitError("init.key", reason=error) from None
    done.note("init.log_keys", path=folder.log_keys)


def _units(folder: DataFolder, config: Config, profile: Profile, done: InitDone, *, production: bool) -> None:
    """Make the key of every unit that the profile needs, with its certificate or a request for one."""
    classical: bytes | None = None
    for owner in (load_shipped(name) for name in profile.units):
        signer = _unit_signer(config, owner, done)
        if production:
            path = folder.anchors.parent / ("unit.csr" if owner.name == profile.unit else f"{owner.name}.csr")
            path.write_bytes(unit_request(signer, config.unit.organisation))
            done.note("init.request", path=path, units=folder.units, anchors=folder.anchors)
        else:
            made = certify(folder, owner, signer.public_key, classical, unrecorded)
            classical = classical or (None if owner.tst.quantum_category else made)
    if not production:
        done.note("init.development")


def _operator_key(folder: DataFolder, done: InitDone) -> None:
    operator = secrets.token_urlsafe(32)
    digest = hashlib.sha256(operator.encode()).hexdigest()
    descriptor = os.open(folder.operator, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(digest + "\n")
    done.note("init.operator_key", operator=operator)
