#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# readme_test.sh: the README's C++ and C examples are the programs in examples/, to the letter: hello.cc and hello.c whole,
# then parts of any_size.c and comes_and_goes.c.
set -euo pipefail

examples=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
readme=$examples/../README.md

block() { # block LANGUAGE N: the N-th example in that language
  awk -v language="$1" -v wanted="$2" '
    $0 == "```" language { ++n; inside = 1; next }
    $0 == "```" { inside = 0 }
    inside && n == wanted' "$readme"
}
differs() {
  echo "README.md differs from $1"
  exit 1
}

diff <(block cpp 1) <(grep -v SPDX-License-Identifier "$examples/hello.cc") || differs hello.cc
diff <(block c 1) <(grep -v SPDX-License-Identifier "$examples/hello.c") || differs hello.c
n=1
for file in any_size.c comes_and_goes.c; do
  n=$((n + 1))
  part=$(block c $n | sed 's/^\(.\)/  \1/')
  [ -n "$part" ] || differs "$file"
  case $(cat "$examples/$file") in *"$part"*) ;; *) echo "$part"; differs "$file" ;; esac
done
[ -z "$(block c 4)$(block cpp 2)" ] || { echo "README.md has an example that is no program"; exit 1; }
