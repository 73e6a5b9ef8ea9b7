#include "interpreter.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <deque>

namespace example {

namespace {

constexpr int32_t f32 = 1, i32 = 6;  // codes of TensorProto.DataType

// The text of an attribute: attribute("{ta=false, tb=true}", "tb") is "true".
std::string attribute(const std::string& all, const std::string& name) {
  for (const char* before : {"{", ", "}) {
    const size_t at = all.find(before + name + "=");
    if (at == std::string::npos) continue;
    const size_t begin = all.find('=', at) + 1;
    return all.substr(begin, all.find_first_of(",}", begin) - begin);
  }
  return "";
}

// Functions by the names of the textual graph. What is not here is declined. Integers wrap, a NaN stays a NaN.
template <class F>
struct Named {
  const char* name;
  F apply;
};
template <class T>
using Unary = Named<T (*)(T)>;
template <class T>
using Binary = Named<T (*)(T, T)>;

const Unary<float> f32_unary[] = {
    {"neg", [](float a) { return -a; }},
    {"abs", [](float a) { return std::fabs(a); }},
    {"floor", [](float a) { return std::floor(a); }},
    {"ceil", [](float a) { return std::ceil(a); }},
    {"sqrt", [](float a) { return std::sqrt(a); }},
    {"exp", [](float a) { return std::exp(a); }},
    {"tanh", [](float a) { return std::tanh(a); }},
    {"erf", [](float a) { return std::erf(a); }},
    {"sigmoid", [](float a) { return 1 / (1 + std::exp(-a)); }},
};
const Unary<int32_t> i32_unary[] = {
    {"neg", [](int32_t a) { return int32_t(0 - uint32_t(a)); }},
    {"not", [](int32_t a) { return ~a; }},
};
const Binary<float> f32_binary[] = {
    {"add", [](float a, float b) { return a + b; }},
    {"sub", [](float a, float b) { return a - b; }},
    {"mul", [](float a, float b) { return a * b; }},
    {"div", [](float a, float b) { return a / b; }},
    {"min", [](float a, float b) { return std::isnan(a) || a < b ? a : b; }},
    {"max", [](float a, float b) { return std::isnan(a) || a > b ? a : b; }},
};
const Binary<int32_t> i32_binary[] = {
    {"add", [](int32_t a, int32_t b) { return int32_t(uint32_t(a) + uint32_t(b)); }},
    {"sub", [](int32_t a, int32_t b) { return int32_t(uint32_t(a) - uint32_t(b)); }},
    {"mul", [](int32_t a, int32_t b) { return int32_t(uint32_t(a) * uint32_t(b)); }},
    {"min", [](int32_t a, int32_t b) { return std::min(a, b); }},
    {"max", [](int32_t a, int32_t b) { return std::max(a, b); }},
};

template <class Row, size_t rows>
const Row* find(const Row (&table)[rows], const std::string& name) {
  for (const Row& row : table)
    if (name == row.name) return &row;
  return nullptr;
}

using Extents = std::vector<int64_t>;

int64_t count_of(const Extents& extents) {
  int64_t count = 1;
  for (int64_t extent : extents) count *= extent;
  return count;
}

// Where the element at row-major position `i` of `result` is in an operand of `extents` that is broadcast to it: dims
// are aligned at the right, extents of 1 repeat.
int64_t broadcast_position(int64_t i, const Extents& result, const Extents& extents) {
  int64_t position = 0, stride = 1;
  for (size_t axis = result.size(), own = extents.size(); own > 0 && axis > 0; --axis) {
    const int64_t index = i % result[axis - 1], extent = extents[--own];
    i /= result[axis - 1];
    if (extent != 1) position += index * stride;
    stride *= extent;
  }
  return position;
}

class Interpreter {
 public:
  // `dims`: values of the group's dims. `operands`: addresses of inputs, then outputs.
  Interpreter(const Program& program, const int64_t* dims, const std::vector<uint8_t*>& operands)
      : program_(program), operands_(operands), extents_(program.values.size()), at_(program.values.size()) {
    for (size_t i = 0; i < program.values.size(); ++i)
      for (int32_t number : program.values[i].dims) extents_[i].push_back(dims[number]);
    std::copy_n(operands.begin(), program.inputs, at_.begin());
  }

  void run() {
    for (const Step& step : program_.steps) {
      const size_t result = size_t(step.result);
      memory_.emplace_back(size_t(count_of(extents_[result])) * 4);
      at_[result] = memory_.back().data();
      if (step.primitive == "matmul")
        matmul(step);
      else if (program_.values[result].dtype == f32)
        map(step, find(f32_unary, step.function), find(f32_binary, step.function));
      else
        map(step, find(i32_unary, step.function), find(i32_binary, step.function));
    }
    for (size_t i = 0; i < program_.outputs.size(); ++i) {
      const size_t value = size_t(program_.outputs[i]), bytes = size_t(count_of(extents_[value])) * 4;
      if (bytes > 0) std::memcpy(operands_[program_.inputs + i], at_[value], bytes);
    }
  }

 private:
  template <class T>
  T* data(int32_t value) const {
    return reinterpret_cast<T*>(at_[size_t(value)]);
  }

  // unary and binary have operands of the result's extents; broadcast has not; reshape moves nothing.
  template <class T>
  void map(const Step& step, const Unary<T>* unary, const Binary<T>* binary) {
    const Extents &result = extents_[size_t(step.result)], &first = extents_[size_t(step.operands[0])];
    T* out = data<T>(step.result);
    const T* a = data<T>(step.operands[0]);
    for (int64_t i = 0, count = count_of(result); i < count; ++i) {
      if (step.primitive == "unary")
        out[i] = unary->apply(a[i]);
      else if (step.primitive == "binary")
        out[i] = binary->apply(a[i], data<T>(step.operands[1])[i]);
      else
        out[i] = a[step.primitive == "broadcast" ? broadcast_position(i, result, first) : i];
    }
  }

  void matmul(const Step& step) {
    const Extents &result = extents_[size_t(step.result)], &left = extents_[size_t(step.operands[0])],
                  &right = extents_[size_t(step.operands[1])];
    const int64_t rows = result[result.size() - 2], columns = result.back();
    const int64_t inner = left[left.size() - (step.transpose_a ? 2 : 1)];
    const Extents batch(result.begin(), result.end() - 2), left_batch(left.begin(), left.end() - 2),
        right_batch(right.begin(), right.end() - 2);
    for (int64_t b = 0, count = count_of(batch); b < count; ++b) {
      const float* x = data<float>(step.operands[0]) + broadcast_position(b, batch, left_batch) * rows * inner;
      const float* y = data<float>(step.operands[1]) + broadcast_position(b, batch, right_batch) * inner * columns;
      float* out = data<float>(step.result) + b * rows * columns;
      for (int64_t m = 0; m < rows; ++m)
        for (int64_t n = 0; n < columns; ++n) {
          float total = 0;
          for (int64_t k = 0; k < inner; ++k)
            total += x[step.transpose_a ? k * rows + m : m * inner + k] *
                     y[step.transpose_b ? n * inner + k : k * columns + n];
          out[m * columns + n] = total;
        }
    }
  }

  const Program& program_;
  const std::vector<uint8_t*>& operands_;
  std::vector<Extents> extents_;
  std::vector<uint8_t*> at_;
  std::deque<std::vector<uint8_t>> memory_;  // of results
};

}  // namespace

std::string refusal(const sardonyxGroup& group, const sardonyxNode& node) {
  const std::string primitive = node.primitive, function = attribute(node.attributes, "fn");
  const std::string what = function.empty() ? primitive : primitive + " " + function;
  bool floats = true, integers = true;
  auto look = [&](int32_t value) {
    floats &= group.values[value].dtype == f32;
    integers &= group.values[value].dtype == i32;
  };
  std::for_each_n(node.operands, node.operand_count, look);
  std::for_each_n(node.results, node.result_count, look);
  if (!floats && !integers) return what + ": only f32 and i32";
  if (primitive == "broadcast" || primitive == "reshape") return "";
  if (primitive == "matmul") return floats ? "" : what + ": only f32";
  if (primitive != "unary" && primitive != "binary") return what + ": not offered";
  const bool known = primitive == "unary" ? (floats ? !!find(f32_unary, function) : !!find(i32_unary, function))
                                          : (floats ? !!find(f32_binary, function) : !!find(i32_binary, function));
  return known ? "" : what + (floats ? ": not for f32" : ": not for i32");
}

Program make_program(const sardonyxGroup& group) {
  Program program;
  for (int32_t i = 0; i < group.value_count; ++i) {
    const sardonyxValue& value = group.values[i];
    program.values.push_back({value.dtype, {value.dims, value.dims + value.rank}});
  }
  for (int32_t i = 0; i < group.node_count; ++i) {
    const sardonyxNode& node = group.nodes[i];
    program.steps.push_back({node.primitive,
                             attribute(node.attributes, "fn"),
                             {node.operands, node.operands + node.operand_count},
                             node.results[0],
                             attribute(node.attributes, "ta") == "true",
                             attribute(node.attributes, "tb") == "true"});
  }
  program.outputs.assign(group.outputs, group.outputs + group.output_count);
  program.inputs = size_t(group.input_count);
  return program;
}

void run(const Program& program, const int64_t* dims, const std::vector<uint8_t*>& operands) {
  Interpreter(program, dims, operands).run();
}

}  // namespace example
