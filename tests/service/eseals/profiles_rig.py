"""Seal profiles in a data folder that nobody serves, and an operator's CA that certifies their keys."""

from __future__ import annotations

import asyncio
import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from kokuin.service.config import load_config
from kokuin.service.eseals.keys_ring import SealKeyring
from kokuin.service.eseals.profiles_desk import SealProfiles
from tests.trust.forge import key_usage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder
    from tests.service.operator_ca import OperatorCa

TENANT = "t-4ad6kzrwm2q7xhzo"
PASSPHRASE = "seal test"
PRODUCTION = {"TSA_PKI": "operator", "TSA_PASSPHRASE": PASSPHRASE}


@dataclass
class ProfilesRig:
    """The desk of a folder, with a ledger that is a list."""

    folder: DataFolder
    settings: Mapping[str, str] = field(default_factory=dict)
    recorded: list[dict[str, Any]] = field(default_factory=list)
    refusing: bool = False

    @property
    def config(self) -> Config:
        return load_config(self.folder.root, dict(self.settings))

    @property
    def ring(self) -> SealKeyring:
        passphrase = self.settings.get("TSA_PASSPHRASE", "").encode()
        return SealKeyring(self.folder, self.config, passphrase or None)

    def act(self, what: str, name: str = "main", **arguments: Any) -> dict[str, Any]:
        """Ask the desk one thing, for the tenant unless another is named."""
        desk = SealProfiles(self.folder, self.config, self._record, self._people)
        asked = {"tenant": TENANT, "name": name, "actor": "owner", **arguments}
        return asyncio.run(desk.ask(f"seal-profile.{what}", asked))

    def done(self, what: str, name: str = "main", **arguments: Any) -> dict[str, Any]:
        answer = self.act(what, name, **arguments)
        assert answer["ok"], answer
        return answer

    def refused(self, what: str, name: str = "main", **arguments: Any) -> str:
        """Return the code of a refusal that changed no file and put nothing on record."""
        before, leaves = self.files(), len(self.recorded)
        answer = self.act(what, name, **arguments)
        assert not answer["ok"], answer
        assert (self.files(), len(self.recorded)) == (before, leaves)
        return str(answer["code"])

    def files(self) -> dict[str, bytes]:
        """Return every file that an act on a profile could change, but for keys of none in force."""
        tops = (self.folder.seals, self.folder.anchors.parent)
        return {str(path): path.read_bytes() for top in tops for path in top.rglob("*") if path.is_file()}

    def kinds(self) -> list[str]:
        return [each["kind"] for each in self.recorded]

    async def _record(self, kind: str, fields: Mapping[str, Any]) -> bool:
        if not self.refusing:
            self.recorded.append({"kind": kind, **fields})
        return not self.refusing

    async def _people(self, operation: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        assert (operation, arguments) == ("access.tenant.list", {})
        return {"ok": True, "tenants": [{"tenant": TENANT}, {"tenant": "operator"}]}


USAGE = key_usage("content_commitment")


def certify(  # noqa: PLR0913  # a certificate has many fields, and each is wrong somewhere
    ca: OperatorCa,
    request_pem: str,
    *,
    usage: x509.KeyUsage | None = USAGE,
    days: tuple[int, int] = (-1, 700),
    subject: x509.Name | None = None,
    public_key: Any = None,
    more: tuple[x509.ExtensionType, ...] = (),
) -> str:
    """Sign a request whose own signature holds as a CA does that issues for seals; PEM."""
    request = x509.load_pem_x509_csr(request_pem.encode())
    assert request.is_signature_valid
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    begins, ends = (now + dt.timedelta(days=each) for each in days)
    builder = x509.CertificateBuilder(
        ca.issuing.subject,
        subject or request.subject,
        public_key or request.public_key(),
        x509.random_serial_number(),
        begins,
        ends,
    )
    for extension in (*(() if usage is None else (usage,)), *more):
        builder = builder.add_extension(extension, critical=extension is usage)
    return builder.sign(ca.key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()
