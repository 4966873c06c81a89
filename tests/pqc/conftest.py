"""What tests of key files share."""

from __future__ import annotations

import pytest

from pqc import pkcs8


@pytest.fixture
def quick_passphrases(monkeypatch: pytest.MonkeyPatch) -> None:
    """Encrypt keys with few rounds of PBKDF2; one test holds the true number to what it is."""
    monkeypatch.setattr(pkcs8, "ITERATIONS", 2_000)
