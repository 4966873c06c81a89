"""Knowing what cryptography is in use, and planning the move to other: inventory, CBOM, roadmap."""
