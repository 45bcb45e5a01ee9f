"""Routing strategies, one a file, named by the file: `build(options)` returns a `core.ports.Strategy`."""
