"""The dialects that callers speak, one module each, named by `core.types.Dialect`: read from here, answered from here."""
