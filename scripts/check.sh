#!/bin/sh
# Runs all checks, and with `all` the tests, even after one failed; exit 0 only if all passed.
#
# Without further arguments the tests run in several processes, each file in one of them, beside the checks; what
# measures time (mark `alone`) runs last, with nothing beside it. Arguments go to a pytest that runs as usual.
set -u
cd "$(dirname "$0")/.." || exit 1
unset PYTHONDONTWRITEBYTECODE   # hundreds of processes start: each would compile all that it imports
what=${1:-all}
[ $# -gt 0 ] && shift
notes=$(mktemp -d) || exit 1
trap 'rm -rf "$notes"' EXIT

check() {
    name=$1
    shift
    echo "== $name"
    "$@" </dev/null || echo " $name" >>"$notes/failed"
}

lint() {
    check ruff .venv/bin/ruff check .
    check ruff-format .venv/bin/ruff format --check .
    check pyright .venv/bin/pyright --pythonpath .venv/bin/python
    check import-linter .venv/bin/lint-imports
}

if [ "$what" = lint ]; then
    lint
elif [ $# -gt 0 ]; then
    lint
    check pytest .venv/bin/python -m pytest "$@"
else
    lint >"$notes/lint" 2>&1 &
    linter=$!
    trap 'kill $linter; exit 130' INT TERM
    check pytest .venv/bin/python -m pytest -m "not alone" -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder
    wait $linter || echo " checks" >>"$notes/failed"
    cat "$notes/lint"
    check pytest-alone .venv/bin/python -m pytest -m alone $(grep -rl --include='test_*.py' 'mark\.alone' tests)
fi

if [ -s "$notes/failed" ]; then
    echo "FAILED:$(tr -d '\n' <"$notes/failed")"
    exit 1
fi
echo "all passed"
