// SPDX-License-Identifier: BSD-3-Clause
#include <cxxabi.h>
#include <dwarf.h>
#include <elfutils/libdwfl.h>

#include <cstdlib>
#include <memory>

#include "tools/symbolize/places.h"

namespace fastmem::tools {
namespace {

std::string demangled(const char* name) {
  if (name == nullptr) return "";
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> text(abi::__cxa_demangle(name, nullptr, nullptr, &status),
                                                         &std::free);
  return status == 0 ? text.get() : name;
}

std::string function_name(Dwarf_Die* die) {
  Dwarf_Attribute attribute;
  for (const unsigned kind : {DW_AT_linkage_name, DW_AT_MIPS_linkage_name}) {
    if (const char* const name = dwarf_formstring(dwarf_attr_integrate(die, kind, &attribute)); name != nullptr) {
      return demangled(name);
    }
  }
  const char* const name = dwarf_diename(die);
  return name == nullptr ? "" : name;
}

// One file, at the addresses that are in it.
class DebugInfo {
 public:
  explicit DebugInfo(const std::string& file) : dwfl_(dwfl_begin(&kCallbacks), &dwfl_end) {
    if (dwfl_ == nullptr) return;
    dwfl_report_begin(dwfl_.get());
    module_ = dwfl_report_elf(dwfl_.get(), file.c_str(), file.c_str(), -1, 0, true);
    dwfl_report_end(dwfl_.get(), nullptr, nullptr);
  }

  std::vector<Place> find(std::uint64_t address) {
    std::vector<Place> found;
    if (module_ == nullptr) return found;
    add_inlined(address, found);
    if (found.empty()) {
      const char* const name = dwfl_module_addrname(module_, address);
      if (name == nullptr) return found;
      found.push_back({demangled(name), "", 0});
    }
    add_line(address, found.front());
    return found;
  }

 private:
  static constexpr Dwfl_Callbacks kCallbacks = {.find_elf = nullptr,
                                                .find_debuginfo = dwfl_standard_find_debuginfo,
                                                .section_address = nullptr,
                                                .debuginfo_path = nullptr};
  using Dies = std::unique_ptr<Dwarf_Die, decltype(&std::free)>;

  // The innermost's own line comes later; each other one's is that of the call in it.
  void add_inlined(std::uint64_t address, std::vector<Place>& found) {
    Dwarf_Addr bias = 0;
    Dwarf_Die* const unit = dwfl_module_addrdie(module_, address, &bias);
    if (unit == nullptr) return;
    Dwarf_Die* raw = nullptr;
    const int n_scopes = dwarf_getscopes(unit, address - bias, &raw);
    const Dies scopes(raw, &std::free);
    if (n_scopes <= 0) return;
    raw = nullptr;
    const int n = dwarf_getscopes_die(scopes.get(), &raw);
    const Dies outwards(raw, &std::free);
    Place next;
    for (int i = 0; i < n; ++i) {
      Dwarf_Die* const die = outwards.get() + i;
      const int tag = dwarf_tag(die);
      if (tag != DW_TAG_subprogram && tag != DW_TAG_inlined_subroutine) continue;
      next.function = function_name(die);
      found.push_back(next);
      if (tag == DW_TAG_subprogram) break;
      next = call_of(unit, die);
    }
  }

  static Place call_of(Dwarf_Die* unit, Dwarf_Die* inlined) {
    Place place;
    Dwarf_Attribute attribute;
    Dwarf_Word file = 0;
    Dwarf_Word line = 0;
    dwarf_formudata(dwarf_attr(inlined, DW_AT_call_file, &attribute), &file);
    dwarf_formudata(dwarf_attr(inlined, DW_AT_call_line, &attribute), &line);
    Dwarf_Files* files = nullptr;
    std::size_t n = 0;
    if (dwarf_getsrcfiles(unit, &files, &n) != 0) return place;
    if (const char* const name = dwarf_filesrc(files, file, nullptr, nullptr); name != nullptr) {
      place.file = name;
      place.line = static_cast<unsigned>(line);
    }
    return place;
  }

  void add_line(std::uint64_t address, Place& place) {
    Dwfl_Line* const row = dwfl_module_getsrc(module_, address);
    if (row == nullptr) return;
    int line = 0;
    const char* const file = dwfl_lineinfo(row, nullptr, &line, nullptr, nullptr, nullptr);
    if (file == nullptr) return;
    place.file = file;
    place.line = static_cast<unsigned>(line);
  }

  std::unique_ptr<Dwfl, decltype(&dwfl_end)> dwfl_;
  Dwfl_Module* module_ = nullptr;
};

}  // namespace

bool has_libdw() { return true; }

Places places_by_libdw(const std::string& file, const std::vector<std::uint64_t>& addresses) {
  setenv("DEBUGINFOD_URLS", "", 1);  // nothing is asked for over the network
  DebugInfo info(file);
  Places places;
  for (const std::uint64_t address : addresses) {
    if (std::vector<Place> found = info.find(address); !found.empty()) places[address] = std::move(found);
  }
  return places;
}

}  // namespace fastmem::tools
