"""One file per kind of sensitive data: `build()` gives Presidio recognizers or finders, `EXAMPLES` says what they must find."""
