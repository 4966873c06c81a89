"""What holds for every test."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# A deadline would measure how busy the machine is, and so would the check for slow generation.
settings.register_profile("kokuin", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("kokuin")
