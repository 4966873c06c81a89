"""Crypto-agility: suites, signers, key files, profiles."""
