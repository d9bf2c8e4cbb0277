// SPDX-License-Identifier: BSD-3-Clause
// A library whose one function has a frame of FRAME_ROOM bytes, and is otherwise the same for each.
extern "C" [[gnu::visibility("default"), gnu::noinline]] void call_through(void (*leaf)()) {
  volatile char room[FRAME_ROOM];
  room[0] = 1;
  leaf();
  static_cast<void>(room[0]);
}
