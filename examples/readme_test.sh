#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# readme_test.sh: the README's C++ and C examples are examples/hello.cc and examples/hello.c, to the letter.
set -euo pipefail

examples=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
readme=$examples/../README.md

for language in cpp c; do
  shown=$(sed -n "/^\`\`\`$language\$/,/^\`\`\`\$/p" "$readme" | sed '1d;$d')
  file=$examples/hello.$([ $language = cpp ] && echo cc || echo c)
  diff <(echo "$shown") <(grep -v SPDX-License-Identifier "$file") || { echo "README.md differs from $file"; exit 1; }
done
