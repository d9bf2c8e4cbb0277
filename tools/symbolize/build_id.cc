// SPDX-License-Identifier: BSD-3-Clause
#include "tools/symbolize/build_id.h"

#include <link.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <vector>

namespace fastmem::tools {
namespace {

template <class T>
bool read_at(std::ifstream& in, std::uint64_t at, T* to, std::size_t n = 1) {
  in.seekg(static_cast<std::streamoff>(at));
  in.read(reinterpret_cast<char*>(to), static_cast<std::streamsize>(n * sizeof(T)));
  return in.good();
}

// Notes stand one behind the other: their sizes, the name, what they say, each filled up to whole words.
std::string find_note(const std::string& notes) {
  for (std::size_t at = 0; at + sizeof(ElfW(Nhdr)) <= notes.size();) {
    ElfW(Nhdr) note;
    std::memcpy(&note, notes.data() + at, sizeof(note));
    const std::size_t name = at + sizeof(note);
    const std::size_t text = name + (std::size_t{note.n_namesz} + 3) / 4 * 4;
    const std::size_t next = text + (std::size_t{note.n_descsz} + 3) / 4 * 4;
    if (next > notes.size()) return "";
    if (note.n_type == NT_GNU_BUILD_ID && notes.compare(name, 4, std::string("GNU\0", 4)) == 0) {
      return notes.substr(text, note.n_descsz);
    }
    at = next;
  }
  return "";
}

}  // namespace

std::string build_id(const std::string& file) {
  constexpr std::uint64_t kLargestNotes = 1 << 16;
  std::ifstream in(file, std::ios::binary);
  ElfW(Ehdr) header;
  if (!read_at(in, 0, &header) || std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) return "";
  std::vector<ElfW(Shdr)> sections(header.e_shnum);
  if (!read_at(in, header.e_shoff, sections.data(), sections.size())) return "";
  for (const ElfW(Shdr) & section : sections) {
    if (section.sh_type != SHT_NOTE || section.sh_size > kLargestNotes) continue;
    std::string notes(section.sh_size, '\0');
    if (!read_at(in, section.sh_offset, notes.data(), notes.size())) continue;
    if (std::string id = find_note(notes); !id.empty()) return id;
  }
  return "";
}

}  // namespace fastmem::tools
