"""What tests share is the same for all of them, whichever asks first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.service.running import prepare

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_folder_that_others_copy_has_nothing_of_the_environment_of_who_asked_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its keys were closed by a passphrase that one test had set, and no other test could open them."""
    monkeypatch.setenv("TSA_PASSPHRASE", "of one test")
    monkeypatch.setenv("TSA_PKI", "operator")
    made = prepare(tmp_path / "data", "classical")
    keys = sorted((made.folder.root / "keys").glob("*.pem"))
    assert "unit-classical.pem" in {path.name for path in keys}
    assert [path.name for path in keys if b"ENCRYPTED" in path.read_bytes()] == []
    assert made.folder.units.exists()
