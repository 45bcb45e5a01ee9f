"""Where decision records go, one sink a file, named by the file: `build(path)` returns a `core.ports.Sink`."""
