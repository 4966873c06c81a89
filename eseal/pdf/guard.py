"""What pyHanko raises over a hostile document, turned into a refusal."""

from __future__ import annotations

import struct
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pyhanko.pdf_utils.layout import LayoutError
from pyhanko.pdf_utils.misc import FormFillingError, PdfDecodeLimitError, PdfError
from pyhanko.sign.general import SigningError

from eseal.pdf.refusals import PdfRefusal, PdfRefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator

_LIMITS = (PdfDecodeLimitError, RecursionError, MemoryError)
_DAMAGE = (
    PdfError,
    SigningError,
    LayoutError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    RuntimeError,
    EOFError,
    struct.error,
    zlib.error,
)
"""What pyHanko raises over hostile objects: it relies on their types, Python says where they are wrong."""


@contextmanager
def refusing(code: PdfRefusal = PdfRefusal.BROKEN) -> Iterator[None]:
    """Turn what pyHanko raises over a hostile document into a refusal with this code.

    Only calls of pyHanko stand inside: neither a key nor a time-stamp authority is asked there, so that their
    errors stay what they are.
    """
    try:
        yield
    except PdfRefusedError:
        raise
    except _LIMITS as error:
        raise PdfRefusedError(PdfRefusal.LIMITS, type(error).__name__) from error
    except FormFillingError as error:
        raise PdfRefusedError(PdfRefusal.FIELD_UNUSABLE, "kind") from error
    except _DAMAGE as error:
        if isinstance(error.__cause__, _LIMITS):  # met in a key of a dictionary
            raise PdfRefusedError(PdfRefusal.LIMITS, type(error.__cause__).__name__) from error
        raise PdfRefusedError(code, type(error).__name__) from error
