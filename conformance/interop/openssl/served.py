"""OpenSSL as a client of a served authority whose default profile is `bundle`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from conformance.interop.artefacts import CONTENT
from conformance.interop.checks import Check
from conformance.interop.openssl.judging import refuses_in_ts
from conformance.interop.openssl.program import of_this_machine, post_quantum

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conformance.interop.openssl.program import OpenSSL
    from conformance.interop.place import Place


def checks_of_this_machine(place: Place) -> Iterator[Check]:
    """The OpenSSL that clients have: it verifies the classical half of a bundle; raises `AbsentError`."""
    yield from _both_halves(of_this_machine(), place)


def checks_post_quantum(place: Place) -> Iterator[Check]:
    """One from 3.5 on verifies the post-quantum half too; raises `AbsentError`."""
    openssl = post_quantum()
    yield from _both_halves(openssl, place)
    yield Check("bundle: its cms verifies the post-quantum token", partial(_verifies_twin, openssl, place))


def _both_halves(openssl: OpenSSL, place: Place) -> Iterator[Check]:
    yield Check("bundle: its ts verifies the classical token", partial(_verifies, openssl, place))
    yield Check("bundle: its ts refuses the post-quantum token", partial(_refuses_twin, openssl, place))


def _ask(openssl: OpenSSL, place: Place) -> tuple[Path, Path, Path, Path]:
    """Return the files of content, query, classical answer, and post-quantum answer."""
    folder = place.own("bundle")
    content, query, answer, twin = (folder / name for name in ("content", "query", "answer", "twin"))
    content.write_bytes(CONTENT)
    openssl.do("ts", "-query", "-data", content, "-sha512", "-cert", "-out", query)
    for path, octets in zip((answer, twin), place.served.stamp(query.read_bytes()), strict=True):
        path.write_bytes(octets)
    return content, query, answer, twin


def _verifies(openssl: OpenSSL, place: Place) -> None:
    content, query, answer, _ = _ask(openssl, place)
    words = ("ts", "-verify", "-in", answer, "-CAfile", place.served.anchors)
    for against in (("-queryfile", query), ("-data", content)):
        done = openssl.run(*words, *against)
        assert (done.returncode, done.stdout.strip()) == (0, "Verification: OK"), done
    content.write_bytes(b"another")
    assert openssl.run(*words, "-data", content).returncode == 1


def _refuses_twin(openssl: OpenSSL, place: Place) -> None:
    _, query, _, twin = _ask(openssl, place)
    refuses_in_ts(openssl, twin, "-queryfile", query, root=place.served.anchors)


def _verifies_twin(openssl: OpenSSL, place: Place) -> None:
    _, _, _, twin = _ask(openssl, place)
    token, statement = twin.with_suffix(".token"), twin.with_suffix(".tst")
    openssl.do("ts", "-reply", "-in", twin, "-token_out", "-out", token)
    form = ("-purpose", "timestampsign", "-inform", "DER", "-in", token, "-out", statement)
    openssl.do("cms", "-verify", *form, "-CAfile", place.served.anchors)
