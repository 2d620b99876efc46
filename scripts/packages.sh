# What building, and what testing, need from the distribution. Sourced by quickstart and test; installs what is missing.
# shellcheck shell=bash

# Names hold on Debian 12 and 13 and Ubuntu 24.04.
build_packages=(
  g++ cmake ninja-build pkg-config git
  libjemalloc-dev      # the worker's allocator
  libfmt-dev           # text
  nlohmann-json3-dev   # JSON
  libcli11-dev         # the command line
  libhwy-dev           # SIMD kernels
  libxxhash-dev        # checksums
  libjs-dygraphs       # zoom in the report
)
test_packages=(
  catch2 libbenchmark-dev
  python3 python3-jsonschema  # an independent writer of checkpoints, a validator of records
  chromium poppler-utils      # the report in a real browser, and its print
)

say() { printf '%s\n' "$*" >&2; }

# ensure_packages NAME...: returns 0 when all are installed. Asks for root only when one is missing.
ensure_packages() {
  local missing=() package
  if ! command -v dpkg-query >/dev/null 2>&1 || ! command -v apt-get >/dev/null 2>&1; then
    say "This is not a Debian or Ubuntu: install what these Debian packages hold, then run the script again with"
    say "WEIGHBRIDGE_SKIP_PACKAGES=1:  $*"
    [ -n "${WEIGHBRIDGE_SKIP_PACKAGES:-}" ]
    return
  fi
  for package in "$@"; do
    dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  local root=()
  if [ "$(id -u)" -ne 0 ]; then
    # sudo that asks no password, or a terminal on which it may ask.
    if command -v sudo >/dev/null 2>&1 && { sudo -n true 2>/dev/null || { [ -t 0 ] && [ -t 2 ]; }; }; then
      root=(sudo)
    else
      say "These packages are missing, and installing them needs root:"
      say "  ${missing[*]}"
      say "Install them with:"
      say "  apt-get install --no-install-recommends ${missing[*]}"
      return 1
    fi
  fi
  say "Installing: ${missing[*]}"
  local log
  log=$(mktemp)
  if ! { "${root[@]}" apt-get update -qq &&
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    rm -f "$log"
    say "apt-get could not install: ${missing[*]}"
    return 1
  fi
  rm -f "$log"
}

# build PRESET TESTS(ON|OFF) [TARGET...]: configures and builds, quietly unless it fails.
build() {
  local preset=$1 tests=$2 log
  shift 2
  log=build/$preset.log
  mkdir -p build
  say "Building ($preset); the log is $log"
  if ! { cmake --preset "$preset" -DWEIGHBRIDGE_TESTS="$tests" -DWEIGHBRIDGE_BENCH="$tests" &&
    cmake --build --preset "$preset" ${1:+--target "$@"}; } >"$log" 2>&1; then
    tail -n 40 "$log" >&2
    say "The build failed; the whole log is $log"
    return 1
  fi
}
