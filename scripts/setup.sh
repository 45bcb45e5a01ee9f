#!/bin/sh
# Finds a Python and hands over to setup.py beside this file: setup.sh run|test|lock|probe
set -eu
here=$(dirname "$0")
suits='import sys, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'

if [ -z "${PYTHON:-}" ]; then
    # The environment's own first; 3.11 before newer ones because the tests run on it.
    for candidate in "$here/../.venv/bin/python" python3.11 python3.12 python3.13 python3; do
        if "$candidate" -c "$suits" 2>/dev/null; then PYTHON=$candidate; break; fi
    done
    if [ -z "${PYTHON:-}" ]; then
        echo "No Python 3.11, 3.12 or 3.13 was found (tried python3.11, python3.12, python3.13, python3)." >&2
        echo "Install one, with its venv module (on Debian and Ubuntu: apt-get install python3 python3-venv)," >&2
        echo "or say where it is: make run PYTHON=/path/to/python3.11" >&2
        exit 1
    fi
elif ! "$PYTHON" -c "$suits" 2>/dev/null; then
    echo "PYTHON=$PYTHON doesn't run, is none of Python 3.11 to 3.13, or lacks the venv module." >&2
    exit 1
fi
if [ "${1:-}" = probe ]; then
    exit 0
fi
if [ "${1:-}" = lock ]; then
    shift
    tools="$here/../build/lock"
    "$PYTHON" -m venv "$tools"
    "$tools/bin/python" -m pip install -q --disable-pip-version-check uv==0.13.8 packaging
    exec "$tools/bin/python" "$here/lock.py" "$@"
fi
exec "$PYTHON" "$here/setup.py" "$@"
