#!/usr/bin/env bash
# The project installed into a folder of its own, and used from there as other projects would: the program finds its
# worker, each header stands alone, the examples build with find_package and with pkg-config, and run.
#
#   install_test.sh BUILD_FOLDER CMAKE CXX_COMPILER [CXX_FLAG...]
set -euo pipefail
build=$1 cmake=$2 compiler=$3
shift 3
flags=("$@")
work=$(mktemp -d "${TMPDIR:-/tmp}/weighbridge-install-XXXXXX")
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix

quietly() {
  if ! "$@" >"$work/log" 2>&1; then
    printf 'failed: %s\n' "$*"
    cat "$work/log"
    exit 1
  fi
}
expect() { # WORDS FILE
  grep -qE -- "$1" "$2" || { printf 'expected /%s/, found:\n' "$1"; cat "$2"; exit 1; }
}

quietly "$cmake" --install "$build" --prefix "$prefix"
libdir=$(dirname "$(find "$prefix" -name libweighbridge.a)")
examples=$prefix/share/doc/weighbridge/examples
cd "$work"

# The program, away from where it was built.
model=$work/model.safetensors
quietly "$prefix/bin/weighbridge" synth bert-base --layers 1 -o "$model"
"$prefix/bin/weighbridge" inspect "$model" >out
expect 'bert.*encoder.*layer.0.*f32' out

# Headers that need nothing before them, and give no warning to those who ask for them.
for header in "$prefix"/include/weighbridge/*.h; do
  echo "#include <weighbridge/$(basename "$header")>" >alone.cc
  quietly "$compiler" -std=c++20 -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror -fsyntax-only \
    -I"$prefix/include" alone.cc
done
if grep -nE '#include "(strategies|harness|reports)|#include <(fmt|nlohmann|hwy)' -r "$prefix/include"; then
  echo "a public header includes what is not installed with it"
  exit 1
fi

# The examples' installed sources, by CMake and by pkg-config.
quietly "$cmake" -G Ninja -S "$examples" -B examples -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_CXX_COMPILER="$compiler" \
  -DCMAKE_CXX_FLAGS="${flags[*]:-}"
expect "weighbridge_DIR:PATH=$prefix" examples/CMakeCache.txt
quietly "$cmake" --build examples
examples/load_model "$model" f16 >out
expect '^loaded +[0-9.]+ MiB' out
examples/load_layer "$model" >layers
examples/load_layer "$model" "$(grep -m 1 layer layers)" bf16 >out
expect '^released +[0-9.]+ MiB' out
examples/map_model "$model" >out
expect '^every weight used +[0-9.]+ MiB' out

export PKG_CONFIG_PATH=$libdir/pkgconfig
# shellcheck disable=SC2046
quietly "$compiler" -std=c++20 "${flags[@]}" "$examples/load_model.cc" -o by_pkg_config $(pkg-config --cflags --libs weighbridge)
./by_pkg_config "$model" >out
expect '^loaded +[0-9.]+ MiB' out

# A plug-in by the C compiler, with the installed header, for the installed program.
quietly "${CC:-cc}" -std=c99 -pedantic -Wall -Wextra -Werror -shared -fPIC -I"$prefix/include" \
  -o whole_file.so "$examples/plugin/whole_file.c"
"$prefix/bin/weighbridge" list --plugin whole_file.so >out
expect 'whole-file:read=8MiB' out

# What is wrong is said in one line.
if examples/load_model "$work/nothing.h5" 2>out; then exit 1; fi
expect '^load_model: open .*/nothing.h5: No such file' out
[ "$(wc -l <out)" = 1 ]
