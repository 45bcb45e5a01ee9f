#!/bin/sh
# Runs all checks, and with `all` the tests, even after one failed; exit 0 only if all passed.
# Further arguments go to pytest.
set -u
cd "$(dirname "$0")/.." || exit 1
what=${1:-all}
[ $# -gt 0 ] && shift
failed=

check() {
    name=$1
    shift
    echo "== $name"
    "$@" </dev/null || failed="$failed $name"
}

check ruff .venv/bin/ruff check .
check ruff-format .venv/bin/ruff format --check .
check pyright .venv/bin/pyright --pythonpath .venv/bin/python
check import-linter .venv/bin/lint-imports
[ "$what" = lint ] || check pytest .venv/bin/python -m pytest "$@"

if [ -n "$failed" ]; then
    echo "FAILED:$failed"
    exit 1
fi
echo "all passed"
