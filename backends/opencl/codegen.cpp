#include "backends/opencl/codegen.h"

#include "backends/opencl/emitter.h"
#include "compiler/expr/simplify.h"
#include "runtime/base/strings.h"

namespace sardonyx::opencl {

namespace {

bool uses(const tensor::LoweredKernel& kernel, DType dtype) {
  bool found = false;
  for (const expr::BufferPtr& buffer : kernel.buffers) found = found || buffer->dtype == dtype;
  tensor::visit_exprs(kernel.body, [&](const expr::Expr& e) {
    tensor::mutate_shared(e, [&](const expr::Expr& x) {
      found = found || x->type.dtype == dtype;
      return x;
    });
  });
  return found;
}

// CL_DEVICE_MAX_PARAMETER_SIZE is at least this.
constexpr size_t most_argument_bytes = 1024;

// As kernel.h lists the arguments; all that may be there.
size_t argument_bytes(const tensor::LoweredKernel& kernel) {
  return 16 * kernel.buffers.size() + 8 * kernel.symbols.size() + 8 + 16 + 8;
}

int64_t local_bytes(const tensor::LoweredKernel& kernel) {
  int64_t total = 0;
  tensor::visit(kernel.body, [&](const tensor::Stmt& s) {
    if (s->kind != tensor::StmtKind::Allocate || s->buffer->scope != expr::Buffer::Scope::Local) return true;
    int64_t bytes = int64_t(size_of(s->buffer->dtype));
    for (const expr::Expr& d : s->buffer->dims) bytes *= expr::as_int(d).value_or(0);
    total += bytes;
    return true;
  });
  return total;
}

}  // namespace

std::optional<std::string> refusal(const tensor::LoweredKernel& kernel, const tensor::Target& target) {
  if (!target.fp64 && uses(kernel, DType::F64)) return "has no cl_khr_fp64, which the kernel needs";
  if (uses(kernel, DType::Complex128)) return "has no elements of 16 bytes";
  if (argument_bytes(kernel) > most_argument_bytes) return str("takes no ", kernel.buffers.size(), " operands");
  if (kernel.lanes > target.max_group) return str("has no work-groups of ", kernel.lanes, " work-items");
  if (int64_t bytes = local_bytes(kernel); bytes > target.local_bytes)
    return str("has no ", bytes, " bytes of local memory");
  return std::nullopt;
}

Signature ProgramText::add(const tensor::LoweredKernel& kernel, const std::string& entry) {
  Emitter emitter(kernel, target_, helpers_);
  kernels_ += emitter.emit(entry);
  return emitter.signature();
}

Source ProgramText::finish() const {
  std::string head = "#pragma OPENCL FP_CONTRACT OFF\n";
  if (target_.fp64) head += "#pragma OPENCL EXTENSION cl_khr_fp64 : enable\n";
  std::string options = "-cl-std=CL1.2";
  if (target_.exact_divide) options += " -cl-fp32-correctly-rounded-divide-sqrt";
  return {head + helpers_.text() + kernels_, options};
}

}  // namespace sardonyx::opencl
