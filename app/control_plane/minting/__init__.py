"""Mint requests: the messages with which the chain mints tokens for an improvement."""
