#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# install_test.sh ARCHIVE: unpacks the install archive and builds against it as a stranger would.
set -euo pipefail

archive=$PWD/$1
work=${TEST_TMPDIR:-$(mktemp -d)}/install
prefix=$work/prefix
mkdir -p "$prefix" && cd "$work"
tar -xzf "$archive" -C "$prefix" --no-same-owner

cat > c_user.c <<'END'
#include <fastmem.h>
#include <string.h>
int main(void) {
  void *p = fastmem_alloc(100, 0, 0);
  if (p == NULL) return 1;
  memset(p, 1, 100);
  return fastmem_free(p) != 0 || strncmp(fastmem_version(), "0.1.", 4) != 0;
}
END
cat > cpp_user.cc <<'END'
#include <fastmem.h>
#include <fastmem.hpp>
int main() {
  void* p = fastmem_alloc(100, 64, FASTMEM_ZERO);
  return p == nullptr || fastmem_free(p) != 0;
}
END
mkdir -p project && cp c_user.c cpp_user.cc project
cat > project/CMakeLists.txt <<'END'
cmake_minimum_required(VERSION 3.16)
project(user C CXX)
set(CMAKE_CXX_STANDARD 20)
find_package(fastmem 0.1 REQUIRED)
add_executable(c_user c_user.c)
target_link_libraries(c_user fastmem::fastmem)
add_executable(cpp_user cpp_user.cc)
target_link_libraries(cpp_user fastmem::fastmem)
add_executable(static_user cpp_user.cc)
target_link_libraries(static_user fastmem::static)
END

echo "== pkg-config"
export PKG_CONFIG_PATH=$prefix/lib/pkgconfig LD_LIBRARY_PATH=$prefix/lib
read -ra flags < <(pkg-config --cflags --libs fastmem)
read -ra static_flags < <(pkg-config --static --cflags --libs fastmem)
gcc -std=c11 -Wall -Wextra -Werror c_user.c "${flags[@]}" -o c_user
./c_user
g++ -std=c++20 -Wall -Wextra -Werror cpp_user.cc "${flags[@]}" -o cpp_user
./cpp_user
mkdir static && ln -s "$prefix/lib/libfastmem.a" static/
g++ -std=c++20 cpp_user.cc -Lstatic "${static_flags[@]}" -o static_user
./static_user
if readelf -d static_user | grep libfastmem; then echo "static_user is not static"; exit 1; fi

echo "== devices"
cat > vfio_user.c <<'END'
#include <errno.h>
#include <fastmem_vfio.h>
int main(void) { return fastmem_vfio_attach(NULL, -1, NULL) != -EINVAL || fastmem_vfio_detach(NULL, -1) != -ENOENT; }
END
cat > uring_user.c <<'END'
#include <errno.h>
#include <fastmem_uring.h>
#include <stddef.h>
int main(void) {
  return fastmem_uring_attach(NULL, NULL, NULL) != NULL || errno != EINVAL || fastmem_uring_index(NULL, NULL, 1) != -EINVAL;
}
END
for part in vfio uring; do
  if [ ! -e "$prefix/lib/pkgconfig/fastmem-$part.pc" ]; then
    echo "[skipped] install_test with fastmem-$part: liburing is not installed"
    continue
  fi
  read -ra flags < <(pkg-config --cflags --libs "fastmem-$part")
  read -ra static_flags < <(pkg-config --static --cflags --libs "fastmem-$part")
  gcc -std=c99 -Wall -Wextra -Wpedantic -Wstrict-prototypes -Werror "${part}_user.c" "${flags[@]}" -o "${part}_user"
  "./${part}_user"
  g++ -std=c++20 -Wall -Wextra -Werror -x c++ "${part}_user.c" -x none "${flags[@]}" -o "${part}_user_cpp"
  "./${part}_user_cpp"
  ln -s "$prefix/lib/libfastmem_$part.a" static/
  gcc -std=c11 "${part}_user.c" -Lstatic "${static_flags[@]}" -o "${part}_static_user"
  "./${part}_static_user"
  diff <(sed -n '/^FASTMEM_API/,/;/p' "$prefix/include/fastmem_$part.h" | grep -o 'fastmem_[a-z_0-9]*(' | tr -d '(' | sort) \
    <(nm -D --defined-only "$prefix/lib/libfastmem_$part.so" | awk '$2 == "T" {print $3}' | sed 's/@.*//' | sort)
done

echo "== symbols"
readelf -d "$prefix/lib/libfastmem.so" | grep -c 'SONAME.*\[libfastmem.so.0\]'
foreign=$(nm -DC --defined-only "$prefix/lib/libfastmem.so" | cut -d' ' -f3- | grep -v fastmem -i || true)
[ -z "$foreign" ] || { echo "exported, but not ours: $foreign"; exit 1; }

if command -v cmake >/dev/null; then
  echo "== cmake"
  cmake -S project -B build -DCMAKE_PREFIX_PATH="$prefix" >/dev/null
  cmake --build build
  for program in c_user cpp_user static_user; do "build/$program"; done
else
  echo "[skipped] install_test with cmake: cmake is not installed"
fi
