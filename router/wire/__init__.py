"""Dialects on the wire: bytes to values and back. No I/O."""
