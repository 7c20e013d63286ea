#!/bin/sh
# Makes .deps/venv-bench with the peers at the versions of requirements.txt; does nothing the second time.
set -eu
cd "$(dirname "$0")/.."
venv=.deps/venv-bench
stamp=$venv/requirements.installed
if cmp -s bench/requirements.txt "$stamp"; then
    exit 0
fi
echo "installing the peers of bench/requirements.txt into $venv"
python3 -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r bench/requirements.txt
# The newest XGBoost for its contributions alone, called from C: its package asks for a newer Python.
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --upgrade \
    --target .deps/xgboost-newest --no-deps --only-binary=:all: --ignore-requires-python \
    --python-version 3.13 xgboost-cpu==3.4.1
cp bench/requirements.txt "$stamp"
