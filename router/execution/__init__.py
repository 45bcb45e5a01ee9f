"""Carrying a plan out: attempts, clocks, breakers, fallback, and the commit point."""
