#include "backends/opencl/compile.h"

#include <algorithm>
#include <fstream>

#include "backends/opencl/codegen.h"
#include "runtime/base/status.h"

namespace sardonyx::opencl {

namespace {

constexpr size_t kernels_per_source = 12;

}  // namespace

std::vector<runtime::KernelPtr> compile_kernels(std::span<const tensor::LoweredKernel> kernels,
                                                const tensor::Target& target, const Settings& settings) {
  std::vector<runtime::KernelPtr> result;
  for (size_t first = 0; first < kernels.size(); first += kernels_per_source) {
    auto batch = kernels.subspan(first, std::min(kernels_per_source, kernels.size() - first));
    ProgramText program(target);
    std::vector<Signature> signatures;
    for (size_t i = 0; i < batch.size(); ++i) {
      try {
        if (auto reason = refusal(batch[i], target)) fail(Status::UnsupportedOperator, "the OpenCL device ", *reason);
        signatures.push_back(program.add(batch[i], str("k", i)));
      } catch (Error& error) {
        error.add_context(
            str("while generating code of kernel '", batch[i].name, "'\n", tensor::to_string(batch[i].body)));
        throw;
      }
    }
    auto source = std::make_shared<const Source>(program.finish());
    if (!settings.dump_dir.empty()) std::ofstream(str(settings.dump_dir, "/program", first, ".cl")) << source->text;
    for (size_t i = 0; i < batch.size(); ++i) {
      result.push_back(std::make_shared<Kernel>(batch[i], source, str("k", i), signatures[i], target));
    }
  }
  return result;
}

}  // namespace sardonyx::opencl
