"""How a no is said over HTTP: RFC 9457, with the request's id, and what RFC 9110 wants beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kokuin.service.problems import MEDIA_TYPE, problem_body

if TYPE_CHECKING:
    from kokuin.service.access.denials import Denial

_BEARER = b'Bearer realm="kokuin"'
_BASIC = b'Basic realm="kokuin", charset="UTF-8"'


class DeniedError(Exception):
    """A handler found what the table cannot know; `AccessGate` answers.

    Attributes:
        denial: why.
    """

    def __init__(self, denial: Denial) -> None:
        super().__init__(denial.code)
        self.denial = denial


def refusal(
    denial: Denial, request_id: str, *, basic: bool = False
) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Return status, header fields and content of the answer to whoever may not.

    Args:
        denial: why.
        request_id: of the request.
        basic: whether HTTP Basic would be taken here.
    """
    content = problem_body(denial.status, denial.code, more={"request": request_id})
    fields = [
        (b"content-type", MEDIA_TYPE.encode()),
        (b"content-length", b"%d" % len(content)),
        (b"cache-control", b"no-store"),
    ]
    if denial.status == 401:
        # RFC 9110 §11.6.1: a 401 says what would be taken.
        fields += [(b"www-authenticate", each) for each in ((_BEARER, _BASIC) if basic else (_BEARER,))]
    if denial.retry_s is not None:
        fields.append((b"retry-after", b"%d" % denial.retry_s))
    return denial.status, fields, content
