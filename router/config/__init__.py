"""The configuration: its schema and how a file becomes one. Nothing here opens a socket."""
