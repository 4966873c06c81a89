"""tspclient-go and digitorus/timestamp: they verify classical tokens, and one of them asks for them."""

from __future__ import annotations

import subprocess
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from conformance.interop.artefacts import CONTENT
from conformance.interop.checks import Check
from conformance.interop.golang.building import build

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conformance.interop.place import Place

LIBRARIES = ("tspclient", "digitorus")
VERIFIED = ("ecdsa-p256-sha256", "ecdsa-p384-sha384", "rsa3072-pkcs1-sha256")
REFUSED = ("ml-dsa-65", "slh-dsa-sha2-192s", "mldsa65-ecdsa-p256-sha512")
_PANIC = 2


def checks(place: Place) -> Iterator[Check]:
    """Raises `AbsentError`."""
    program = build(Path(__file__).parent, place.own("go") / "program")
    for library in LIBRARIES:
        for suite_id in VERIFIED:
            yield Check(
                f"{suite_id}: {library} verifies our token",
                partial(_verifies, program, place, library, suite_id),
            )
        for suite_id in REFUSED:
            yield Check(
                f"{suite_id}: {library} refuses our token",
                partial(_refuses, program, place, library, suite_id),
            )
    yield Check("bundle: tspclient asks for a stamp and verifies it", partial(_asks, program, place))


def _says(program: Path, *words: str | Path) -> str:
    """Return why it refuses, empty when it does not."""
    done = subprocess.run(
        [str(word) for word in (program, *words)], check=False, capture_output=True, text=True
    )
    assert done.returncode != _PANIC, done.stderr
    return done.stderr if done.returncode else ""


def _verifies(program: Path, place: Place, library: str, suite_id: str) -> None:
    made = place.artefacts(suite_id)
    root, content = made / "root.pem", made / "content"
    says = partial(_says, program, "verify", library)
    assert not says(made / "token.der", root, content), says(made / "token.der", root, content)
    assert says(made / "token.der", root, made / "key.der")
    assert all(says(damaged, root, content) for damaged in made.damaged("token.der"))
    if library == "tspclient":
        assert says(made / "token.der", place.artefacts(REFUSED[0]) / "root.pem", content)


def _refuses(program: Path, place: Place, library: str, suite_id: str) -> None:
    made = place.artefacts(suite_id)
    assert _says(program, "verify", library, made / "token.der", made / "root.pem", made / "content")


def _asks(program: Path, place: Place) -> None:
    content = place.own("go") / "content"
    content.write_bytes(CONTENT)
    says = partial(_says, program, "ask", place.served.service.url)
    assert not says(place.served.anchors, content), says(place.served.anchors, content)
    assert says(place.artefacts(VERIFIED[0]) / "root.pem", content)
