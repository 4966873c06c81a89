"""The unit of a folder's configured profile, for tests that need one without the service around it."""

from __future__ import annotations

import datetime as dt
import os
from typing import TYPE_CHECKING

from kokuin.service.installation import issuing_rules
from kokuin.service.units import load_unit, read_passphrase
from pqc.profiles import load_shipped

if TYPE_CHECKING:
    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.units import LoadedUnit


def load_configured_unit(folder: DataFolder, config: Config) -> LoadedUnit:
    """Load the unit of the configured profile."""
    profile = load_shipped(config.profile)
    passphrase = read_passphrase(config, dict(os.environ))
    rules = issuing_rules(config, profile)
    return load_unit(folder, config, profile, rules, passphrase, dt.datetime.now(dt.UTC))
