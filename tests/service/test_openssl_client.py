"""`openssl ts` asks and judges; we only answer."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.peers import need
from tests.service.running import QUERY, Service

if TYPE_CHECKING:
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
