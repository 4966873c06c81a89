"""kokuin: time-stamps and organisation seals that outlive their algorithms."""

__version__ = "0.1.0"
