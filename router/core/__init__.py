"""Types, errors, ports and the clock that every other package shares; needs msgspec and the standard library only."""
