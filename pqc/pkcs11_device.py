"""One PKCS#11 library in this process: its sessions, one caller at a time, and what happens when it is lost.

The library is loaded where it is first asked for, hence in the process that
signs: what PKCS#11 libraries hold does not survive a fork.
"""

from __future__ import annotations

import contextlib
import functools
import secrets
from threading import Lock, RLock
from typing import TYPE_CHECKING, TypeVar

import pkcs11

from pqc.signing import SignerError, SignerProblem

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pkcs11.types import Session, Token

T = TypeVar("T")

_LOST = (
    pkcs11.SessionHandleInvalid,
    pkcs11.SessionClosed,
    pkcs11.KeyHandleInvalid,
    pkcs11.ObjectHandleInvalid,
    pkcs11.UserNotLoggedIn,
    pkcs11.UserAlreadyLoggedIn,  # by a session that nobody here knows any more
    pkcs11.DeviceRemoved,
    pkcs11.DeviceError,
    pkcs11.DeviceMemory,
    pkcs11.TokenNotPresent,
    pkcs11.TokenNotRecognised,
    pkcs11.SlotIDInvalid,
    pkcs11.FunctionFailed,
    pkcs11.GeneralError,
)
"""What a session, a token or a library that has gone says, and what a fresh login may cure."""
_PIN_ERRORS = (
    pkcs11.PinIncorrect,
    pkcs11.PinInvalid,
    pkcs11.PinLenRange,
    pkcs11.PinExpired,
    pkcs11.PinLocked,
    pkcs11.UserPinNotInitialized,
)


class Device:
    """A loaded library with the tokens behind it.

    python-pkcs11 initialises libraries without asking them for locks, so that two
    calls at a time are undefined (PKCS#11 §5.4, C_Initialize): every call is made
    within `run`, which lets one thread in at a time.
    """

    def __init__(self, path: Path) -> None:
        """Load and initialise the library.

        Raises:
            SignerError: the file is no PKCS#11 library, or it does not start.
        """
        self._path = path
        self.lock = RLock()
        """Held by whoever makes several calls that belong together."""
        self._sessions: dict[str, tuple[str, Session]] = {}
        self._refused: set[tuple[str, str]] = set()
        self.generation = 0
        """Raised whenever all handles have become void."""
        try:
            self._library = pkcs11.lib(str(path))
        except (pkcs11.PKCS11Error, RuntimeError) as error:
            raise SignerError(SignerProblem.BACKEND_MISSING, f"{path}: {_name(error)}") from None

    def run(self, action: Callable[[], T], gone: frozenset[SignerProblem] = frozenset()) -> T:
        """Do something with the device; when it was lost, open it afresh, log in, and do it once more.

        Args:
            action: what to do; it asks `session` anew and keeps no handle of an older `generation`.
            gone: problems that speak of a lost device too, for what was there before.

        Raises:
            SignerError: it failed, or failed again after a fresh login.
        """
        with self.lock:
            try:
                return action()
            except (pkcs11.PKCS11Error, SignerError) as error:
                if not (_is_lost(error, gone) or self._is_unseen(error)):
                    raise self._coded(error) from error
            try:
                self._reopen()
                return action()
            except (pkcs11.PKCS11Error, SignerError) as error:
                raise self._coded(error) from error

    def session(self, label: str, pin: str) -> Session:
        """Return the session that is logged in to the token named `label`; only within `run`.

        All keys of a token share it: a login is the whole process's.

        Raises:
            SignerError: there is no such token, or it refuses the PIN.
            PKCS11Error: anything else that the device says.
        """
        if label not in self._sessions:
            self._sessions[label] = pin, self._log_in(label, pin)
        used, session = self._sessions[label]
        if not secrets.compare_digest(used.encode(), pin.encode()):
            raise SignerError(SignerProblem.PIN_REFUSED, f"{label}: not the PIN that it was opened with")
        return session

    def _log_in(self, label: str, pin: str) -> Session:
        if (label, pin) in self._refused:
            raise SignerError(SignerProblem.PIN_REFUSED, f"{label}: not tried again")
        try:
            return self._token(label).open(user_pin=pin)
        except _PIN_ERRORS as error:
            self._refused.add((label, pin))
            raise SignerError(SignerProblem.PIN_REFUSED, f"{label}: {_name(error)}") from None

    def _token(self, label: str) -> Token:
        try:
            return self._library.get_token(token_label=label)
        except pkcs11.NoSuchToken:
            raise SignerError(SignerProblem.TOKEN_MISSING, label) from None
        except pkcs11.MultipleTokensReturned:
            raise SignerError(SignerProblem.TOKEN_AMBIGUOUS, label) from None

    def _reopen(self) -> None:
        """Start the library anew: only then does it look for tokens again, and forgets dead logins."""
        self.generation += 1
        self._sessions.clear()
        with contextlib.suppress(pkcs11.PKCS11Error):
            self._library.finalize()
        self._library.initialize()

    def _is_unseen(self, error: Exception) -> bool:
        """Say whether a token may be there that the library did not see, and looking anew costs no login.

        Libraries look for tokens when they start; one that was away then, or just being written by another
        process, would be missing for as long as this process lives.
        """
        missing = isinstance(error, SignerError) and error.problem is SignerProblem.TOKEN_MISSING
        return missing and not self._sessions

    def _coded(self, error: pkcs11.PKCS11Error | SignerError) -> SignerError:
        if isinstance(error, SignerError):
            return error
        return SignerError(SignerProblem.DEVICE_FAILED, f"{self._path}: {_name(error)}")


def _is_lost(error: Exception, gone: frozenset[SignerProblem]) -> bool:
    if isinstance(error, SignerError):
        return error.problem in gone
    # python-pkcs11 has no class of its own for CKR_CRYPTOKI_NOT_INITIALIZED and for what vendors add.
    return isinstance(error, _LOST) or type(error) is pkcs11.PKCS11Error


def _name(error: Exception) -> str:
    """Name an error of the library by its class; a bare one by its text, which has but the number."""
    return str(error) if type(error) in {pkcs11.PKCS11Error, RuntimeError} else type(error).__name__


_loading = Lock()


def device(path: Path) -> Device:
    """Return the process's one `Device` of a library; it is loaded at the first call.

    Raises:
        SignerError: it cannot be loaded.
    """
    with _loading:
        # One library by two names would be initialised twice, which it refuses.
        return _device(path.resolve())


@functools.cache
def _device(path: Path) -> Device:
    return Device(path)
