"""`openssl ts` asks and judges; we only answer."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.peers import need, openssl_with_ml_dsa
from tests.service.running import QUERY, Prepared, Service, serving
from tests.service.switching_load import do

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

OPTIONS = [
    ("-sha256", "-cert"),
    ("-sha384", "-cert"),
    ("-sha512", "-cert"),
    ("-sha256", "-cert", "-no_nonce"),
    ("-sha256",),
    ("-sha512", "-no_nonce"),
]


def openssl(*words: str | Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([need("openssl"), "ts", *words], check=False, capture_output=True, timeout=60)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data"
    path.write_bytes(b"a document\n" * 999)
    return path


@pytest.mark.parametrize("service", ["single", "double", "rsa"], indirect=True)
@pytest.mark.parametrize("options", OPTIONS, ids=" ".join)
def test_openssl_accepts_the_token(service: Service, options: tuple[str, ...], data: Path) -> None:
    asked, answered = data.with_name("query.tsq"), data.with_name("reply.tsr")
    assert openssl("-query", "-data", data, *options, "-out", asked).returncode == 0
    answered.write_bytes(service.post(asked.read_bytes()).content)
    trust = service.folder.anchors.parent
    chain = () if "-cert" in options else ("-untrusted", trust / "units.pem")
    judge = ("-verify", "-in", answered, "-CAfile", trust / "ca.pem", *chain)
    for against in (("-data", data), ("-queryfile", asked)):
        verdict = openssl(*judge, *against)
        assert b"Verification: OK" in verdict.stdout, verdict.stderr
    data.write_bytes(b"another document")
    assert openssl(*judge, "-data", data).returncode != 0


def test_curl_and_the_downloads_suffice(single: Service, data: Path) -> None:
    curl, base = need("curl"), f"http://127.0.0.1:{single.port}"
    for name in ("ca.pem", "units.pem"):
        path, url = str(data.with_name(name)), f"{base}/trust/{name}"
        subprocess.run([curl, "-sSf", "--noproxy", "*", "-o", path, url], check=True, timeout=60)
    asked, answered = data.with_name("query.tsq"), data.with_name("reply.tsr")
    openssl("-query", "-data", data, "-sha256", "-out", asked)
    send = ["--data-binary", f"@{asked}", "-H", f"Content-Type: {QUERY}", f"{base}/tsa"]
    subprocess.run([curl, "-sSf", "--noproxy", "*", "-o", str(answered), *send], check=True, timeout=60)
    trust = ("-CAfile", data.with_name("ca.pem"), "-untrusted", data.with_name("units.pem"))
    assert openssl("-verify", "-in", answered, *trust, "-data", data).returncode == 0
    alone = openssl("-verify", "-in", answered, *trust[:2], "-data", data)
    assert alone.returncode != 0, "the certificates must come from the download, not from the token"


def test_openssl_reads_a_refusal(single: Service, data: Path) -> None:
    asked, answered = data.with_name("query.tsq"), data.with_name("reply.tsr")
    openssl("-query", "-data", data, "-sha1", "-out", asked)
    answered.write_bytes(single.post(asked.read_bytes()).content)
    text = openssl("-reply", "-in", answered, "-text").stdout.decode()
    assert "Status: Rejected." in text
    assert "Failure info: unrecognized or unsupported algorithm identifier" in text


@pytest.fixture(scope="module")
def bundle(folder_of: Callable[[str], Prepared]) -> Iterator[Service]:
    with serving(folder_of("classical")) as service:
        assert do(service.folder.root, "use", name="bundle")["ok"]
        yield service


def ask_for_both(service: Service, data: Path) -> tuple[Path, Path, Path]:
    """Return the files of the query, of the classical answer and of its post-quantum twin."""
    asked, answered, twin = (data.with_name(name) for name in ("query.tsq", "reply.tsr", "twin.tsr"))
    openssl("-query", "-data", data, "-sha512", "-cert", "-out", asked)
    answer = service.post(asked.read_bytes())
    (link,) = re.findall(r'<([^>]+)>; rel="related"', answer.headers["link"])
    answered.write_bytes(answer.content)
    twin.write_bytes(service.client.get(link).content)
    return asked, answered, twin


def test_openssl_accepts_the_classical_half_of_a_bundle_and_refuses_the_other(
    bundle: Service, data: Path
) -> None:
    asked, answered, twin = ask_for_both(bundle, data)
    trust = ("-CAfile", bundle.folder.anchors)
    for against in (("-data", data), ("-queryfile", asked)):
        verdict = openssl("-verify", "-in", answered, *trust, *against)
        assert b"Verification: OK" in verdict.stdout, verdict.stderr
        refusal = openssl("-verify", "-in", twin, *trust, *against)
        assert (refusal.returncode, refusal.stdout.strip()) == (1, b"Verification: FAILED"), refusal.stderr


def test_an_openssl_that_knows_ml_dsa_accepts_the_other_half_of_a_bundle(bundle: Service, data: Path) -> None:
    program = openssl_with_ml_dsa()
    _, _, twin = ask_for_both(bundle, data)
    token, trust = twin.with_suffix(".token"), bundle.folder.anchors
    openssl("-reply", "-in", twin, "-token_out", "-out", token)
    words = [program, "cms", "-verify", "-purpose", "timestampsign", "-CAfile", str(trust), "-inform", "DER"]

    def judge() -> int:
        done = subprocess.run([*words, "-in", str(token)], check=False, capture_output=True, timeout=60)
        return done.returncode

    assert judge() == 0
    octets = token.read_bytes()
    token.write_bytes(octets[:-1] + bytes((octets[-1] ^ 1,)))
    assert judge() != 0
