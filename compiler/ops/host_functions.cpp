#include "compiler/ops/host_functions.h"

#include <algorithm>

namespace sardonyx::ops {
namespace {

constinit const HostFunctionEntry* first = nullptr;

}  // namespace

HostFunctionEntry::HostFunctionEntry(const HostFunction& function) : function(function), next(first) { first = this; }

const HostFunction* find_host_function(std::string_view name) {
  for (const HostFunctionEntry* entry = first; entry; entry = entry->next)
    if (entry->function.name == name) return &entry->function;
  return nullptr;
}

std::vector<std::string_view> host_function_names() {
  std::vector<std::string_view> names;
  for (const HostFunctionEntry* entry = first; entry; entry = entry->next) names.push_back(entry->function.name);
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace sardonyx::ops
