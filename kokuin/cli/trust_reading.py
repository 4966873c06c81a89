"""Whom the user trusts, read for a command; what is wrong with a store becomes a sentence."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from kokuin.cli.messages import text
from kokuin.cli.outcome import CommandError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import TypeVar

    from kokuin.trust.anchors import TrustError, TrustStore

    Value = TypeVar("Value")


def read_trust(path: Path | None, lang: str) -> TrustStore:
    """Read the store that a user named; files that its list does not name are told on standard error.

    Raises:
        CommandError: it cannot be read, or is not what its list says.
    """
    from kokuin.trust.anchors import TrustStore, load_trust, unlisted_files

    if path is None:
        return TrustStore()
    trust = attempt(path, lambda: load_trust(path))
    for name in unlisted_files(path):
        print(text(lang, "trust.unlisted", file=path / name), file=sys.stderr)
    return trust


def attempt(path: Path, act: Callable[[], Value]) -> Value:
    """Do something with a store.

    Raises:
        CommandError: a file cannot be read or written, or the store is refused.
    """
    from kokuin.trust.anchors import TrustError

    try:
        return act()
    except OSError as error:
        named, reason = error.filename or path, error.strerror or error
        raise CommandError("verify.cannot_read", path=named, reason=reason) from None
    except TrustError as error:
        raise refusal(error) from None


def refusal(error: TrustError) -> CommandError:
    """Return what is said of a store that is refused."""
    from kokuin.trust.trust_store_list import StoreCode

    if isinstance(error.code, StoreCode):
        return CommandError(f"trust.{error.code}", path=error.path, detail=error.detail)
    return CommandError("verify.bad_trust", path=error.path, code=error.code.value)
