"""One file per kind of sensitive data: `build()` gives Presidio recognizers, `EXAMPLES` says what they must find."""
