#!/bin/bash
# Installs what building (and with --tests testing, with --fuzz fuzzing, with --spark testing against Spark)
# needs and this machine lacks. Says what it does and why; does nothing the second time. For Debian 12 and 13
# and Ubuntu 24.04, as root or through sudo.
#
#   DUCKDB_DIR=DIR      take libduckdb.so and duckdb.h of the pinned version from DIR, not from the network
#   XDG_CACHE_HOME      downloads are kept in $XDG_CACHE_HOME/shrike (default ~/.cache/shrike)
set -euo pipefail
cd "$(dirname "$0")/.."

duckdb_version=1.5.6
duckdb_package=@duckdb/node-bindings-linux-x64@1.5.6-r.1
# The newest package that carries the C header; its functions are a subset of 1.5.6's.
header_package=duckdb@1.4.4
duckdb_sum=3f4962cdd266eab2b479a5b5a4a6d063d279b2954ae814ed00385d553b747633
header_sum=cbe6a827284375c5a646b8f27dbd3a00808ce8738b5bbb49c190cb1e08540281

build_packages=(
    build-essential cmake ninja-build pkg-config # compiler and build tools
    ca-certificates                              # downloads over TLS
    libxgboost-dev                               # gradient boosting
    libsqlite3-dev                               # the registry's names
    libopenblas-serial-dev                       # logistic regression
    liblz4-dev                                   # compression of Parquet files
    libyaml-dev                                  # shrike.yaml
    libssl-dev                                   # checksums
    python3                                      # checks of the setup itself
)
test_packages=(libcmocka-dev python3-venv) # unit tests in C; tests of the program in Python
fuzz_packages=(clang libclang-rt-dev)      # libFuzzer

cache=${XDG_CACHE_HOME:-$HOME/.cache}/shrike
stamps=.deps/stamps
want_tests=false want_fuzz=false want_spark=false did_something=false updated=false
for argument in "$@"; do
    case $argument in
    --tests) want_tests=true ;;
    --fuzz) want_fuzz=true ;;
    --spark) want_spark=true ;;
    *) echo "usage: scripts/setup.sh [--tests] [--fuzz] [--spark]" >&2 && exit 2 ;;
    esac
done

say() {
    did_something=true
    echo "setup: $*"
}

fail() {
    echo "setup: $*" >&2
    exit 1
}

# Runs a command whose output matters only when it fails.
quietly() {
    local log
    log=$(mktemp)
    if ! "$@" >"$log" 2>&1; then
        tail -40 "$log" >&2
        rm -f "$log"
        fail "failed: $*"
    fi
    rm -f "$log"
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        fail "needs root for: $*
       Run it as root (or install sudo), then start again."
    fi
}

installed() {
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

update_lists() {
    if ! $updated; then
        quietly as_root apt-get -q update
        updated=true
    fi
}

install_packages() { # install_packages WHY PACKAGE...
    local why=$1 package missing=()
    shift
    for package in "$@"; do
        installed "$package" || missing+=("$package")
    done
    if [ ${#missing[@]} -gt 0 ]; then
        say "installing packages ($why): ${missing[*]}"
        update_lists
        quietly as_root env DEBIAN_FRONTEND=noninteractive \
            apt-get -q -y install --no-install-recommends "${missing[@]}"
    fi
}

has_sum() { # has_sum FILE SUM
    [ -f "$1" ] && echo "$2  $1" | sha256sum --check --status
}

# ---- DuckDB: one exact version, because the syntax tree and some semantics change between versions ----

duckdb_version_of() {
    python3 - "$1" <<'PYTHON'
import ctypes, sys
library = ctypes.CDLL(sys.argv[1])
library.duckdb_library_version.restype = ctypes.c_char_p
print(library.duckdb_library_version().decode().lstrip("v"))
PYTHON
}

place_duckdb() { # place_duckdb DIR
    mkdir -p .deps/lib .deps/include "$stamps"
    cp --reflink=auto "$1/libduckdb.so" .deps/lib/.libduckdb.so.partial
    mv .deps/lib/.libduckdb.so.partial .deps/lib/libduckdb.so
    cp "$1/duckdb.h" .deps/include/duckdb.h
    touch "$stamps/duckdb-$duckdb_version"
}

duckdb_from_directory() {
    [ -f "$DUCKDB_DIR/libduckdb.so" ] && [ -f "$DUCKDB_DIR/duckdb.h" ] ||
        fail "DUCKDB_DIR=$DUCKDB_DIR must hold libduckdb.so and duckdb.h"
    local found
    found=$(duckdb_version_of "$(realpath "$DUCKDB_DIR/libduckdb.so")")
    [ "$found" = "$duckdb_version" ] ||
        fail "DUCKDB_DIR=$DUCKDB_DIR holds DuckDB $found; expected $duckdb_version"
    say "taking DuckDB $duckdb_version from $DUCKDB_DIR"
    place_duckdb "$DUCKDB_DIR"
}

fetch_member() { # fetch_member NPM-PACKAGE MEMBER SUM TARGET
    local folder archive
    folder=$(mktemp -d "$cache/fetch.XXXXXX")
    quietly npm pack --silent --cache "$folder/npm" --pack-destination "$folder" "$1"
    archive=$(find "$folder" -maxdepth 1 -name '*.tgz')
    tar -xzf "$archive" -C "$folder" "$2"
    has_sum "$folder/$2" "$3" ||
        fail "$2 of $1 does not have the expected SHA-256 $3; nothing was installed"
    mv "$folder/$2" "$4"
    rm -rf "$folder"
}

duckdb_from_download() {
    local folder=$cache/duckdb-$duckdb_version
    mkdir -p "$folder"
    if ! has_sum "$folder/libduckdb.so" $duckdb_sum || ! has_sum "$folder/duckdb.h" $header_sum; then
        [ "$(uname -m)" = x86_64 ] ||
            fail "no checksum is known for DuckDB $duckdb_version on $(uname -m).
       Put libduckdb.so and duckdb.h of DuckDB $duckdb_version into a folder and run
       DUCKDB_DIR=that-folder make setup."
        command -v npm >/dev/null || install_packages "npm brings DuckDB's C library" npm
        say "downloading DuckDB $duckdb_version (24 MB) and its C header (11 MB) to $folder"
        echo "       (without a network: DUCKDB_DIR=FOLDER make setup takes both files from FOLDER)"
        fetch_member "$duckdb_package" package/libduckdb.so $duckdb_sum "$folder/libduckdb.so"
        fetch_member "$header_package" package/src/duckdb/src/include/duckdb.h $header_sum "$folder/duckdb.h"
    else
        say "taking DuckDB $duckdb_version from $folder"
    fi
    place_duckdb "$folder"
}

setup_duckdb() {
    if [ -f "$stamps/duckdb-$duckdb_version" ] && [ -f .deps/lib/libduckdb.so ] &&
        [ -f .deps/include/duckdb.h ]; then
        return
    fi
    if [ -n "${DUCKDB_DIR:-}" ]; then
        duckdb_from_directory
    else
        duckdb_from_download
    fi
}

# ---- yyjson: a package where the distribution has one, else that of the release after it ----

# The archive that this machine already uses for the packages of its release $1, as "URI KEYRING".
main_archive() {
    local file
    for file in /etc/apt/sources.list.d/*.sources; do
        [ -f "$file" ] && awk -v RS= -v release="$1" '{
            uri = key = suites = types = ""
            n = split($0, lines, "\n")
            for (i = 1; i <= n; i++) {
                split(lines[i], words, " ")
                if (lines[i] ~ /^URIs:/) uri = words[2]
                if (lines[i] ~ /^Signed-By:/) key = words[2]
                if (lines[i] ~ /^Suites:/) suites = lines[i] " "
                if (lines[i] ~ /^Types:/) types = lines[i] " "
            }
            if (uri && index(suites, " " release " ") && types ~ / deb /) { print uri, key; exit }
        }' "$file"
    done
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
        [ -f "$file" ] && awk -v release="$1" '$1 == "deb" {
            for (i = 2; i < NF; i++)
                if ($i ~ /^[a-z+]+:\// && $(i + 1) == release) { print $i; exit }
        }' "$file"
    done
}

# Fetches the packages of a newer release with lists of their own: the machine's sources stay as they are.
download_yyjson() { # download_yyjson FOLDER RELEASE NEWER COMPONENT KEYRING-PACKAGE KEYRING
    local uri key work
    read -r uri key < <(main_archive "$2") || true
    [ -n "${uri:-}" ] ||
        fail "cannot tell from /etc/apt which archive this system uses; install libyyjson-dev by hand"
    # An older image may lack the keys of the newer release.
    update_lists
    quietly as_root apt-get -q -y install --no-install-recommends "$5"
    key=${key:-/usr/share/keyrings/$6}
    work=$(mktemp -d "$1/apt.XXXXXX")
    mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
    printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: %s\nSigned-By: %s\n' "$uri" "$3" "$4" "$key" \
        >"$work/newer.sources"
    local options=(-q -o Dir::State::Lists="$work/lists" -o Dir::Etc::SourceList=/dev/null
        -o Dir::Etc::SourceParts="$work" -o Dir::Cache="$work/cache" -o Debug::NoLocking=1
        -o APT::Sandbox::User=)
    quietly apt-get "${options[@]}" update
    (cd "$work" && quietly apt-get "${options[@]}" download libyyjson-dev libyyjson0)
    mv "$work"/libyyjson*.deb "$1/"
    rm -rf "$work"
}

unpack_yyjson() { # unpack_yyjson FOLDER
    local root deb
    root=$(mktemp -d)
    for deb in "$1"/libyyjson*.deb; do
        dpkg-deb -x "$deb" "$root"
    done
    mkdir -p .deps/lib .deps/include "$stamps"
    cp "$root/usr/include/yyjson.h" .deps/include/
    cp -P "$root"/usr/lib/*/libyyjson.so* .deps/lib/
    rm -rf "$root"
    touch "$stamps/yyjson"
}

setup_yyjson() {
    local release newer
    if [ -f "$stamps/yyjson" ] || installed libyyjson-dev; then
        return
    fi
    release=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
    case $release in
    bookworm) newer=(trixie main debian-archive-keyring debian-archive-keyring.gpg) ;;
    noble) newer=(resolute universe ubuntu-keyring ubuntu-archive-keyring.gpg) ;;
    *)
        install_packages "JSON" libyyjson-dev
        return
        ;;
    esac
    local folder
    folder=$cache/yyjson-${newer[0]}-$(dpkg --print-architecture)
    mkdir -p "$folder"
    if ! ls "$folder"/libyyjson-dev_*.deb "$folder"/libyyjson0_*.deb >/dev/null 2>&1; then
        say "downloading yyjson (JSON) of release ${newer[0]}: $release has no package of it"
        download_yyjson "$folder" "$release" "${newer[@]}"
    else
        say "taking yyjson from $folder"
    fi
    unpack_yyjson "$folder"
}

# ---- Python environments of the tests ----

setup_python() { # setup_python FOLDER REQUIREMENTS SIZE
    local sum stamp=$stamps/${1##*/}
    sum=$(sha256sum "$2" | cut -d' ' -f1)
    if [ -x "$1/bin/python" ] && [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$sum" ]; then
        return
    fi
    say "making $1 with the Python packages of $2 (about $3)"
    rm -rf "$1"
    quietly python3 -m venv "$1"
    quietly "$1/bin/pip" install --quiet --disable-pip-version-check -r "$2"
    mkdir -p "$stamps"
    echo "$sum" >"$stamp"
}

# Spark 3.5 is made for Java 8, 11 and 17.
setup_java() {
    command -v java >/dev/null && return
    update_lists
    if apt-cache show openjdk-17-jre-headless >/dev/null 2>&1; then
        install_packages "Spark runs on Java" openjdk-17-jre-headless
    else
        fail "no package openjdk-17-jre-headless: put a Java 17 into the PATH, then start again"
    fi
}

command -v apt-get >/dev/null ||
    fail "this script knows Debian and Ubuntu only; README.md lists what is needed"
mkdir -p "$cache"
install_packages "to build" "${build_packages[@]}"
setup_duckdb
setup_yyjson
if $want_tests; then
    install_packages "to test" "${test_packages[@]}"
    setup_python .deps/venv tests/requirements.txt "800 MB"
fi
if $want_fuzz; then
    install_packages "to fuzz" "${fuzz_packages[@]}"
fi
if $want_spark; then
    install_packages "to test against Spark" python3-venv
    setup_java
    setup_python .deps/spark tests/spark/requirements.txt "450 MB"
fi
$did_something && echo "setup: done" || true
