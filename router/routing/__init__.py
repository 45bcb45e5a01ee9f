"""The soft choice among what policy allows. Pure: no I/O, no clock, no HTTP client."""
