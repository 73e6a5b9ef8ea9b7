// RegexFullMatch: whether the whole of each text matches a pattern of RE2, which needs linear time and bounded memory.
#include <re2/re2.h>

#include "compiler/ops/host_functions.h"
#include "compiler/ops/lowering.h"
#include "compiler/ops/onnx/versions.h"
#include "runtime/base/status.h"

namespace sardonyx::ops {
namespace {

RE2::Options quiet() {
  RE2::Options options;
  options.set_log_errors(false);
  return options;
}

// Operands: texts, the pattern.
std::vector<Tensor> match(const std::string&, std::span<const Tensor> operands) {
  const std::string_view pattern = operands[1].text(0);
  const RE2 regex(re2::StringPiece(pattern.data(), pattern.size()), quiet());
  require(regex.ok(), Status::InternalError, "the pattern does not compile");
  Tensor result(DType::Bool, operands[0].dims());
  for (int64_t i = 0; i < operands[0].count(); ++i) {
    const std::string_view text = operands[0].text(i);
    result.data<bool>()[i] = RE2::FullMatch(re2::StringPiece(text.data(), text.size()), regex);
  }
  return {result};
}

std::vector<Value*> lower(Lowering& in) {
  auto& b = in.builder();
  Value* x = in[0];
  in.require(x->type.dtype == DType::String, Status::InvalidModel, "the input is ", graph::to_string(x->type),
             ", expected strings");
  const std::string pattern = in.attr_string("pattern");
  const RE2 regex(pattern, quiet());
  in.require(regex.ok(), Status::InvalidModel, "pattern '", pattern.substr(0, 100),
             "' is none of RE2: ", regex.error());
  Value* constant = b.constant(Tensor::strings({}, std::span<const std::string>(&pattern, 1)));
  return b.value_call("match_texts", "", {x, constant}, {{DType::Bool, x->type.dims, {}}});
}

const HostFunctionEntry entry{{.name = "match_texts", .run = match}};
const OnnxOp op{operator_row("RegexFullMatch", {20}, lower, {1, 1}, {1, 1}, Execution::Host)};

}  // namespace
}  // namespace sardonyx::ops
