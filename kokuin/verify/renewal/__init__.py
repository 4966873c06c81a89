"""Stored tokens and evidence records renewed before what holds them ends (RFC 4998 §5.2).

What is due is planned from judgements; trees are stamped by whichever authority the caller asks.
"""
