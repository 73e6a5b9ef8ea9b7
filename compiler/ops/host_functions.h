// Host functions: what `host_call` nodes run, by name. For operators with no tensor expression and no primitive of
// their own (text, trees, data-dependent selection). A function sees tensors and a literal parameter string and
// returns tensors of the shapes that it decides; it must be pure and may be called from any thread.
//
//   static const HostFunctionEntry entry{{.name = "reverse", .run = reverse}};   // anywhere in compiler/ops
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/tensor.h"

namespace sardonyx::ops {

struct HostFunction {
  std::string_view name;
  std::vector<Tensor> (*run)(const std::string& parameters, std::span<const Tensor> operands) = nullptr;
};

// Null when there is none of this name.
const HostFunction* find_host_function(std::string_view name);
// Sorted names of all host functions.
std::vector<std::string_view> host_function_names();

// Static registration: an intrusive list, so that registration needs no memory and no order.
class HostFunctionEntry {
 public:
  explicit HostFunctionEntry(const HostFunction& function);
  const HostFunction function;
  const HostFunctionEntry* const next;
};

}  // namespace sardonyx::ops
