"""Why a configuration is not in force; apart from what activates it, so that who only asks loads little."""

from __future__ import annotations


class ActivationError(Exception):
    """The configuration could not be recorded and is not in force; the message names the ledger's reason."""
