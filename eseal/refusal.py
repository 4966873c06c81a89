"""Why a seal is not made or extended: one exception, with stable codes of each format's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from enum import StrEnum

Code = TypeVar("Code", bound="StrEnum")


class RefusedError(Exception, Generic[Code]):
    """A seal that is not made or extended; what was handed in is as it was.

    Attributes:
        code: the reason.
        detail: what a developer would like to know, in English; never octets of the document.
    """

    def __init__(self, code: Code, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.detail = detail
