// StringSplit: the parts of every text between delimiters, padded with empty texts to the most there are of.
#include <algorithm>

#include "compiler/ops/host_functions.h"
#include "compiler/ops/lowering.h"
#include "compiler/ops/onnx/versions.h"
#include "runtime/base/status.h"

namespace sardonyx::ops {
namespace {

constexpr std::string_view blanks = " \t\n\r\f\v";

// Runs of blanks separate; none at the ends count.
std::vector<std::string_view> split_at_blanks(std::string_view text, int64_t most) {
  std::vector<std::string_view> parts;
  for (size_t at = text.find_first_not_of(blanks); at != text.npos;) {
    size_t end = int64_t(parts.size()) == most ? text.npos : text.find_first_of(blanks, at);
    if (end == text.npos) {
      parts.push_back(text.substr(at));  // the blanks at the end of an uncut rest included
      break;
    }
    parts.push_back(text.substr(at, end - at));
    at = text.find_first_not_of(blanks, end);
  }
  return parts;
}

std::vector<std::string_view> split_at(std::string_view text, std::string_view delimiter, int64_t most) {
  std::vector<std::string_view> parts;
  for (;;) {
    const size_t end = int64_t(parts.size()) == most ? text.npos : text.find(delimiter);
    parts.push_back(text.substr(0, end));
    if (end == text.npos) return parts;
    text.remove_prefix(end + delimiter.size());
  }
}

// Operands: texts, the delimiter (empty: blanks), most splits (negative: any number).
std::vector<Tensor> split(const std::string&, std::span<const Tensor> operands) {
  const Tensor& x = operands[0];
  const std::string_view delimiter = operands[1].text(0);
  const int64_t most = operands[2].as_int(0);
  std::vector<std::vector<std::string_view>> parts;
  Tensor counts(DType::I64, x.dims());
  size_t widest = 0;
  for (int64_t i = 0; i < x.count(); ++i) {
    parts.push_back(delimiter.empty() ? split_at_blanks(x.text(i), most) : split_at(x.text(i), delimiter, most));
    counts.data<int64_t>()[i] = int64_t(parts.back().size());
    widest = std::max(widest, parts.back().size());
  }
  Dims dims = x.dims();
  dims.push_back(int64_t(widest));
  byte_size(DType::String, dims);  // throws when it is absurd
  std::vector<std::string_view> texts;
  for (auto& row : parts) {
    row.resize(widest);
    texts.insert(texts.end(), row.begin(), row.end());
  }
  return {Tensor::strings(dims, texts), counts};
}

std::vector<Value*> lower(Lowering& in) {
  auto& b = in.builder();
  Value* x = in[0];
  in.require(x->type.dtype == DType::String, Status::InvalidModel, "the input is ", graph::to_string(x->type),
             ", expected strings");
  const std::string delimiter = in.attr_string("delimiter", "");
  graph::TensorType parts = x->type;
  parts.dims.push_back(b.graph().fresh_symbol("parts"));
  Value* separator = b.constant(Tensor::strings({}, std::span<const std::string>(&delimiter, 1)));
  Value* most = b.constant(Tensor::ints({{in.attr_int("maxsplit", -1)}}));
  return b.value_call("split_texts", "", {x, separator, most}, {parts, {DType::I64, x->type.dims, {}}});
}

const HostFunctionEntry entry{{.name = "split_texts", .run = split}};
const OnnxOp op{operator_row("StringSplit", {20}, lower, {1, 1}, {1, 2}, Execution::Host)};

}  // namespace
}  // namespace sardonyx::ops
