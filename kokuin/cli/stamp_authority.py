"""A time-stamp authority that commands ask over HTTP (RFC 3161 §3.4), and the service that it is of."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kokuin.cli.http_exchange import Bounds, exchange
from kokuin.cli.messages import plain, sentence_or, text
from kokuin.cli.outcome import CommandError, Exit

if TYPE_CHECKING:
    from typing import TextIO

    from kokuin.cli.ledger_remote import RemoteLedger
    from kokuin.wire.tsp import TSTInfo
    from tsa.client import Query, Refused

BOUNDS = Bounds(octets=1 << 20, pause_s=30.0, whole_s=60.0)
"""Of an answer; real tokens with chain stay far below."""


@dataclass(frozen=True, slots=True)
class Granted:
    """An answer that was checked to belong to its request.

    Attributes:
        response: the TimeStampResp as it came.
        token: the token in it, as `kokuin.wire.ber.definite` returns it.
        tst_info: what the token says.
    """

    response: bytes
    token: bytes
    tst_info: TSTInfo


@dataclass(frozen=True, slots=True)
class Authority:
    """Whoever stamps at a URL.

    Attributes:
        url: takes requests.
        key: what is sent as bearer token, None for nothing.
        lang: of what is told.
    """

    url: str
    key: str | None
    lang: str

    def service(self, option: str) -> RemoteLedger:
        """Find the service's other routes: they stand beside that of time-stamps.

        Args:
            option: that needs them, for whoever gave it.

        Raises:
            CommandError: the URL is none of this service's.
        """
        from kokuin.cli.ledger_remote import RemoteLedger

        found = re.fullmatch(r"(.*)/tsa(/[a-z0-9-]+)?", self.url)
        if found is None:
            raise CommandError("stamp.no_ledger", url=self.url, option=option)
        return RemoteLedger(found[1], self.key)

    def stamp(self, query: Query, document: bytes | None = None) -> Granted | Refused:
        """Ask for a time-stamp, and see that the answer is one to the request.

        Args:
            query: what is asked for.
            document: SHA-512 of what the imprint is of, which evidence is to cover too (`Document-Digest`).

        Raises:
            CommandError: the authority cannot be reached, or what it sent is no answer to this request.
        """
        from kokuin.wire.ber import definite
        from kokuin.wire.prescan import TOKEN_LIMITS
        from kokuin.wire.tsp import read_timestamp_response
        from tsa.client import AnswerFault, Refused, check_answer

        octets = self._ask(query, document)
        checked = check_answer(query, octets)
        if not isinstance(checked, Refused):
            token = read_timestamp_response(definite(octets, TOKEN_LIMITS)).token
            assert token is not None  # noqa: S101  # it was looked into
            return Granted(octets, token, checked)
        if checked.fault is AnswerFault.REJECTED:
            return checked
        raise CommandError("stamp.mismatch", reason=checked.fault.value)

    def _ask(self, query: Query, document: bytes | None) -> bytes:
        answer = exchange(
            "POST", self.url, "", BOUNDS, "stamp", headers=self._headers(document), content=query.der
        )
        if answer.status not in {200, 201}:
            raise self._not_granted(answer.status, answer.content)
        return answer.content

    def _headers(self, document: bytes | None) -> dict[str, str]:
        import base64

        from tsa.client import REQUEST_MEDIA_TYPE

        headers = {"content-type": REQUEST_MEDIA_TYPE}
        if self.key is not None:
            headers["authorization"] = f"Bearer {self.key}"
        if document is not None:
            headers["document-digest"] = f"sha-512=:{base64.b64encode(document).decode('ascii')}:"
        return headers

    def _not_granted(self, status: int, body: bytes) -> CommandError:
        """Return what is told of an answer that speaks HTTP alone: why, where it is a refusal of access."""
        import json

        try:
            sentence = sentence_or(self.lang, f"access.code.{json.loads(body)['code']}", "")
        except (ValueError, TypeError, KeyError, RecursionError):
            sentence = ""
        if not sentence:
            return CommandError("stamp.http_status", url=self.url, status=status)
        return CommandError("stamp.denied", url=self.url, status=status, sentence=sentence)


def make_query(digest: str, imprint: bytes, policy: str | None, *, certificates: bool = True) -> Query:
    """Return a request; see `tsa.client.make_query`.

    Raises:
        CommandError: the policy is no OID.
    """
    from tsa import client

    try:
        return client.make_query(digest, imprint, certificates=certificates, policy=policy)
    except ValueError:
        raise CommandError("stamp.bad_policy", policy=policy) from None


def tell_refused(refused: Refused, lang: str, to: TextIO | None = None) -> int:
    """Tell why the authority gave no token, on standard output or elsewhere; return the exit code."""
    bits = ",".join(str(bit) for bit in sorted(refused.fail_info)) or "-"
    print(text(lang, "stamp.rejected", reason=plain(refused.text or "-"), bits=bits), file=to)
    return Exit.FAILED
