"""What somebody wants sealed or extended, as far as their request was read."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kokuin.service.access.principal import Principal
    from kokuin.service.eseals.tasks import Document, Task
    from kokuin.service.eseals.values import TenantSeal


@dataclass(frozen=True, slots=True)
class Asked:
    """One request.

    Attributes:
        task: what is asked for.
        document: of which.
        data: what a detached seal is about.
        principal: who asks.
        key: idempotency key; empty: none.
        opened: the seal profile, once it was; None of what is extended.
    """

    task: Task
    document: Document
    data: Document | None
    principal: Principal
    key: str = ""
    opened: TenantSeal | None = None

    @property
    def key_digest(self) -> str:
        """SHA-256 (hex) of tenant, client and idempotency key; empty without one."""
        whole = f"{self.principal.tenant}\n{self.principal.actor}\n{self.key}"
        return hashlib.sha256(whole.encode()).hexdigest() if self.key else ""

    def close(self) -> None:
        """Forget the documents."""
        self.document.file.close()
        if self.data is not None:
            self.data.file.close()
