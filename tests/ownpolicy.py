"""Policies of an operator's own, as files hold them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

HOUSE = "house"
"""Name and title of their one source."""


def row(  # noqa: PLR0913  # the fields of a row
    role: str | Sequence[str],
    algorithms: Sequence[str],
    usages: Sequence[str],
    *,
    status: str = "allowed",
    until: str | None = None,
    bits: tuple[int, int] | None = None,
) -> str:
    """Return one row of the file."""
    fields = {
        "roles": json.dumps([role] if isinstance(role, str) else list(role)),
        "algorithms": json.dumps(list(algorithms)),
        "usages": json.dumps(list(usages)),
        "status": json.dumps(status),
        "until": until,
        "bits": None if bits is None else json.dumps(bits),
        "source": json.dumps(HOUSE),
    }
    lines = [f"{name} = {value}" for name, value in fields.items() if value is not None]
    return "\n".join(["[[rows]]", *lines, ""])


def policy_text(*rows: str) -> str:
    """Return the file with these rows."""
    head = f'edition = "1"\nsource = "{HOUSE}"\n[sources.{HOUSE}]\ntitle = "{HOUSE}"\nedition = "1"\n'
    return head + "".join(rows)
