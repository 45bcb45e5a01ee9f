"""Provider dialects, one a file, named by the file: `Config` and `build(config, deps)`."""
