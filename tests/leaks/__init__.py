"""The campaign that tries to make something sensitive leave; `make leaks` runs it whole."""
