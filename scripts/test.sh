#!/bin/bash
# Every test that needs no server: unit tests as built for users, unit tests under the address and
# undefined-behaviour sanitizers, then the tests of the program. All are run even if one fails; the summary
# stands at the end.
set -uo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh --tests || exit 1

failed=0
declare -a summary

unit_tests() { # unit_tests PRESET
    local log=build/unit-$1.log
    echo "== unit tests ($1)"
    if cmake --preset "$1" >build/configure.log 2>&1 || { cat build/configure.log; false; } &&
        cmake --build --preset "$1" --target all unit; then
        ctest --test-dir "build/$1" --output-on-failure --no-tests=error -j 2 2>&1 | tee "$log"
        [ "${PIPESTATUS[0]}" = 0 ] || failed=1
        summary+=("unit tests ($1): $(grep -E 'tests passed' "$log" || echo 'did not run')")
    else
        failed=1
        summary+=("unit tests ($1): does not build")
    fi
}

program_tests() {
    echo "== tests of the program"
    .deps/venv/bin/python -m pytest -q -ra --color=no tests 2>&1 | tee build/pytest.log
    [ "${PIPESTATUS[0]}" = 0 ] || failed=1
    summary+=("tests of the program: $(grep -E '[0-9]+ (passed|failed|error)' build/pytest.log | tail -1)")
}

mkdir -p build
start=$SECONDS
unit_tests release
unit_tests asan
program_tests

echo "== summary ($((SECONDS - start)) s)"
printf '%s\n' "${summary[@]}"
exit $failed
