// Running rows of the table: interpreted and compiled, with values that the compiler knows and values it does not.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "backends/backend.h"
#include "runtime/session.h"
#include "tests/hostile/row.h"

namespace sardonyx::hostile {

// What came of a run: tensors, or an error.
struct Result {
  std::vector<Tensor> tensors;
  std::optional<Error> error;
};
std::string to_string(const Result& result);
// Equal tensors, floats but for rounding, or two errors.
bool agree(const Result& a, const Result& b);

// What `f` gives or throws.
template <class F>
Result result_of(F&& f) {
  Result result;
  try {
    result.tensors = f();
  } catch (const Error& error) {
    result.error = error;
  }
  return result;
}

enum class Form {
  Static,    // the value is an input, all shapes are static
  Symbolic,  // the dims of the other inputs are symbols as well
  Constant,  // the compiler knows the value
};
const char* to_string(Form form);

// Tests are named by the operator, its operand and the number of the row.
std::string name_of(const testing::TestParamInfo<size_t>& info);

// A row as a graph, with its control given as an input like `value`, or as that constant. Throws what lowering throws.
std::unique_ptr<graph::Graph> build(const Row& row, const Tensor& value, Form form);

// Tensors that the graph made of the row takes.
std::vector<Tensor> inputs_of(const Row& row, const Tensor& value, Form form);

// A compiled graph of tensors of whole bytes. Inputs and outputs are bound in memory that ends, or begins, where no
// page is mapped: code that reads or writes a byte beyond one of them crashes.
class Compiled {
 public:
  // For the devices, the last of which everything should run on. Throws Error.
  Compiled(const graph::Graph& graph, std::span<const backends::DeviceInfo> places);
  Result run(const std::vector<Tensor>& inputs);
  // Whether a group runs on the last device.
  bool uses_last_device() const;

 private:
  std::vector<Tensor> results_of(const std::vector<Tensor>& inputs);

  std::shared_ptr<runtime::Session> session_;
  bool at_end_ = true;
};

}  // namespace sardonyx::hostile
