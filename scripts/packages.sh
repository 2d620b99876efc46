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
  liburing-dev         # several reads at a time
  libxxhash-dev        # checksums
  nettle-dev           # SHA-256, with the processor's own instructions
  zlib1g-dev           # deflate and CRC-32 in archives
  libjs-dygraphs       # zoom in the report
)
bench_packages=(
  libbenchmark-dev     # Google Benchmark
)
test_packages=(
  catch2 libbenchmark-dev
  ?libbenchmark-tools ?python3-scipy  # compare.py on our JSON
  python3 python3-jsonschema  # an independent writer of checkpoints, a validator of records
  python3-numpy               # independent writers of arrays and checkpoints: this one, and
  ?python3-onnx ?python3-h5py ?python3-torch
  poppler-utils               # the report's print as text
  ?qemu-system-x86 ?busybox-static ?e2fsprogs ?xz-utils  # scripts/vm-run: machines that really run out of memory
  ?chromium                   # the report in a real browser; Ubuntu has no package of it, only a snap
)
fuzz_packages=(
  clang ?libclang-rt-dev  # libFuzzer
)
# A name with ? is optional: where the distribution has none, or root is not to be had, the tests that need it skip and
# say so.

say() { printf '%s\n' "$*" >&2; }

# ensure_packages NAME...: returns 0 when all that are not optional are installed. Asks for root only when one is missing.
ensure_packages() {
  local missing=() optional=() package root=() log
  if ! command -v dpkg-query >/dev/null 2>&1 || ! command -v apt-get >/dev/null 2>&1; then
    [ -n "${WEIGHBRIDGE_SKIP_PACKAGES:-}" ] && return 0
    say "This is not a Debian or Ubuntu: install what these Debian packages hold, then run the script again with"
    say "WEIGHBRIDGE_SKIP_PACKAGES=1:  ${*//\?/}"
    return 1
  fi
  for package in "$@"; do
    dpkg-query -W -f '${db:Status-Status}' "${package#\?}" 2>/dev/null | grep -qx installed && continue
    case $package in
      \?*) optional+=("${package#\?}") ;;
      *) missing+=("$package") ;;
    esac
  done
  [ ${#missing[@]} -gt 0 ] || [ ${#optional[@]} -gt 0 ] || return 0
  if [ "$(id -u)" -ne 0 ]; then
    # sudo that asks no password, or a terminal on which it may ask.
    if command -v sudo >/dev/null 2>&1 && { sudo -n true 2>/dev/null || { [ -t 0 ] && [ -t 2 ]; }; }; then
      root=(sudo)
    elif [ ${#missing[@]} -eq 0 ]; then
      say "Not installed, and what needs it is skipped: ${optional[*]}"
      return 0
    else
      say "These packages are missing, and installing them needs root:"
      say "  ${missing[*]} ${optional[*]}"
      say "Install them with:"
      say "  apt-get install --no-install-recommends ${missing[*]} ${optional[*]}"
      return 1
    fi
  fi
  log=$(mktemp)
  "${root[@]}" apt-get update -qq >"$log" 2>&1 || cat "$log" >&2
  for package in "${optional[@]}"; do
    if [ -n "$(apt-cache show --no-all-versions "$package" 2>/dev/null)" ]; then
      missing+=("$package")
    else
      say "This distribution has no package $package: what needs it is skipped"
    fi
  done
  [ ${#missing[@]} -gt 0 ] || { rm -f "$log"; return 0; }
  say "Installing: ${missing[*]}"
  if ! "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    rm -f "$log"
    say "apt-get could not install: ${missing[*]}"
    return 1
  fi
  rm -f "$log"
}

# build PRESET TESTS(ON|OFF|BENCH) [TARGET...]: configures and builds, quietly unless it fails. BENCH: the benchmarks alone.
build() {
  local preset=$1 tests=$2 bench=$2 log
  if [ "$tests" = BENCH ]; then tests=OFF bench=ON; fi
  shift 2
  log=build/$preset.log
  mkdir -p build
  say "Building ($preset); the log is $log"
  # Where nothing is tested, a warning that a newer compiler invents must not stand between somebody and a program.
  if ! { cmake --preset "$preset" -DWEIGHBRIDGE_TESTS="$tests" -DWEIGHBRIDGE_BENCH="$bench" -DWEIGHBRIDGE_WERROR="$tests" &&
    cmake --build --preset "$preset" ${1:+--target "$@"}; } >"$log" 2>&1; then
    tail -n 40 "$log" >&2
    say "The build failed; the whole log is $log"
    return 1
  fi
}
