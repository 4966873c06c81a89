"""Header fields of every response: what a browser must not do with it. The server adds them, whoever answers.

No answer sets a cookie, and none that is sent is read: a browser that carries somebody's session elsewhere
carries nothing here.
"""

from __future__ import annotations

import base64
import hashlib

from kokuin.service.migration.html_parts import STYLE

_STYLE = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE}';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Content-Security-Policy: nothing is loaded and no script runs; the pages' own style alone is applied."""
_YEAR_S = 31_536_000


def response_fields(*, tls: bool) -> list[tuple[str, str]]:
    """Return the fields.

    Args:
        tls: whether TLS ends here; only then may a browser be told to insist on it (RFC 6797 §7.2).
    """
    return [
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer"),
        ("Content-Security-Policy", POLICY),
        *([("Strict-Transport-Security", f"max-age={_YEAR_S}")] if tls else []),
    ]
