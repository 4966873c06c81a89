"""A ledger asked over HTTP: by whoever holds a token, or by an auditor with a key."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kokuin.cli.http_exchange import Bounds, exchange
from kokuin.cli.outcome import CommandError

if TYPE_CHECKING:
    from pathlib import Path

BOUNDS = Bounds(octets=4 << 20, pause_s=30.0, whole_s=300.0)
"""Of an answer that is read whole."""
_SECONDS = re.compile(r"[0-9]{1,6}")
_KEY_WANTED = frozenset({"CREDENTIAL_WANTED", "CREDENTIAL_WRONG"})


@dataclass(frozen=True, slots=True)
class Answer:
    """What the service said.

    Attributes:
        content: as it came.
        code: empty, or why it refused.
        retry_after: after how many seconds it proposes to be asked again (RFC 9110 §10.2.3); None: not said.
    """

    content: bytes
    code: str
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class RemoteLedger:
    """The ledger of a service.

    Attributes:
        url: of the service, without a slash at the end.
        key: what is sent as bearer token, None for nothing.
    """

    url: str
    key: str | None

    def get(self, path: str, query: dict[str, str]) -> Answer:
        """Ask; no redirect is followed.

        Raises:
            CommandError: the service cannot be reached, or what answers is none.
        """
        answer = exchange(
            "GET", self.url, path, BOUNDS, "ledger.remote", headers=self.headers(), params=query
        )
        if answer.status == 200:
            return Answer(answer.content, "")
        code = self.refusal(answer.status, answer.content)
        said = answer.fields.get("retry-after", "")
        return Answer(answer.content, code, float(said) if _SECONDS.fullmatch(said) else None)

    def headers(self) -> dict[str, str]:
        """Return the header fields of every request."""
        return {} if self.key is None else {"authorization": f"Bearer {self.key}"}

    def refusal(self, status: int, content: bytes) -> str:
        """Return the code of an RFC 9457 problem.

        Raises:
            CommandError: the answer is none, or it wants a key.
        """
        import orjson

        try:
            problem: Any = orjson.loads(content)
            code = problem["code"]
        except (ValueError, TypeError, KeyError):
            raise CommandError("ledger.remote.http_status", url=self.url, status=status) from None
        if not isinstance(code, str):
            raise CommandError("ledger.remote.no_service", url=self.url)
        if code in _KEY_WANTED:
            raise CommandError(f"ledger.remote.{'key_wanted' if self.key is None else 'key_refused'}")
        return code


def open_remote(url: str, key_file: Path | None) -> RemoteLedger:
    """Return the ledger of a service.

    Args:
        url: of the service; a slash at the end is left out.
        key_file: holds the key of the operator or auditor, and nothing else.

    Raises:
        CommandError: the key cannot be read.
    """
    return RemoteLedger(url.rstrip("/"), None if key_file is None else read_key(key_file))


def read_key(key_file: Path) -> str:
    """Return the key that a file holds, and nothing else; a command line is for everybody to read.

    Raises:
        CommandError: the key cannot be read.
    """
    try:
        with key_file.open("rb") as file:
            key = file.read(1024).decode("ascii").strip()
    except OSError as error:
        raise CommandError("ledger.remote.key_file", path=key_file, reason=error.strerror) from None
    except UnicodeDecodeError:
        key = ""
    if not key.isprintable() or not key or " " in key:
        raise CommandError("ledger.remote.bad_key", path=key_file)
    return key
