"""What is fetched from elsewhere is pinned by digest, and no lock names the registry it came from."""

from __future__ import annotations

import json
from pathlib import Path


def test_every_npm_package_has_a_digest_and_no_address() -> None:
    lock = json.loads(Path("conformance/interop/javascript/package-lock.json").read_text())
    packages = {path: package for path, package in lock["packages"].items() if path}
    assert packages
    for path, package in packages.items():
        assert package["integrity"].startswith("sha512-"), path
        assert "resolved" not in package, path
