"""Plug-ins, one module per kind of engine; each defines `Config` and `build(config, deps)`."""
