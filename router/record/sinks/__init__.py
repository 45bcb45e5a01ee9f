"""Where decision records go, one sink a file, named by the file: `Config` and `build(config, deps)`, a `core.ports.Sink`."""
