"""Seals in PDF, on pyHanko: the only place that speaks to it."""
