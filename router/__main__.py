"""`python -m router` is `sona-router`."""

from router.cli import main

main()
