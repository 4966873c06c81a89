"""What may keep the service from starting: each has a message of one line that says what to do."""

from __future__ import annotations

from kokuin.ledger.faults import OpenRefusedError
from kokuin.service.access.state_faults import StateRefusedError
from kokuin.service.activation_error import ActivationError
from kokuin.service.config import ConfigError
from kokuin.service.datafolder import FolderError
from kokuin.service.snapshot import SnapshotError
from kokuin.service.unit_errors import UnitError
from pqc.profiles import ProfileError


class StartError(Exception):
    """The machine does not allow the service to start; the message is one line that says why."""


START_ERRORS = (
    StartError,
    ConfigError,
    FolderError,
    UnitError,
    ProfileError,
    OpenRefusedError,
    ActivationError,
    SnapshotError,
    StateRefusedError,
)
