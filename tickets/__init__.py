"""Ticket formats, signing and statements: bytes in, values out; no I/O."""
