"""Gates of a cascade, one a file, named by the file: `build(config, deps)` returns what accepts an answer or turns it down."""
