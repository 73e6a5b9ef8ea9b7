#include "compiler/passes/pipeline.h"

#include <chrono>
#include <fstream>

#include "runtime/base/log.h"
#include "runtime/base/status.h"

namespace sardonyx::passes {

namespace {

constexpr Pass canonicalize_pass{"canonicalize", "one form for equal things: transposes into matmul, pads into conv",
                                 canonicalize};
constexpr Pass fold_pass{"fold", "evaluate nodes whose operands are constants", fold_constants};
constexpr Pass batch_norm_pass{"fold_batch_norm", "scale and shift after a convolution into its weights and bias",
                               fold_batch_norm};
constexpr Pass norm_pass{"recognize_norm", "mean/variance chains become layer_norm", recognize_norm};
constexpr Pass simplify_pass{"simplify", "IEEE-safe algebraic identities", simplify};
constexpr Pass cse_pass{"cse", "equal nodes become one", eliminate_common};
constexpr Pass dce_pass{"dce", "nodes without uses disappear", eliminate_dead};
constexpr Pass reshape_pass{"move_reshapes", "reshapes leave the way between products and what follows them",
                            move_reshapes};
constexpr Pass quantize_pass{"quantize", "contractions of dequantized operands become contractions of their codes",
                             quantize};
constexpr Pass fast_math_pass{"fast_math", "operands of contractions with constant weights become bf16", fast_math};
constexpr Pass attention_pass{"fuse_attention", "two products with a softmax between them become one group",
                              fuse_attention};
constexpr Pass fuse_pass{"fuse", "group nodes around one anchor each", fuse};

void dump(const graph::Graph& graph, const PassContext& context, size_t number, const char* name) {
  std::string path = str(context.dump_dir, "/", number < 10 ? "0" : "", number, "_", name, ".txt");
  std::ofstream file(path);
  file << graph::to_string(graph);
  if (!file) log(LogLevel::Warning, "cannot write ", path);
}

}  // namespace

const std::vector<Pass>& all_passes() {
  static const std::vector<Pass> passes = {canonicalize_pass, fold_pass,      batch_norm_pass, norm_pass,
                                           simplify_pass,     cse_pass,       dce_pass,        reshape_pass,
                                           quantize_pass,     fast_math_pass, attention_pass,  fuse_pass};
  return passes;
}

const std::vector<Pass>& pipeline() {
  static const std::vector<Pass> passes = {
      dce_pass,           // lowering leaves shape arithmetic behind whose results are known symbolically
      quantize_pass,      // before constants are dequantized
      fold_pass,          //
      simplify_pass,      //
      norm_pass,          // before canonicalize moves transposes
      canonicalize_pass,  //
      batch_norm_pass,    // needs folded scales
      reshape_pass,       // behind canonicalize, which makes matmuls of their transposes
      simplify_pass,      // clean up what the last ones left
      fold_pass,          //
      fast_math_pass,     // when weights are what they will be
      cse_pass,           //
      dce_pass,           //
      attention_pass,     // before their parts become groups of their own
      fuse_pass,          // last: everything behind sees only groups, views and control
  };
  return passes;
}

const Pass* find_pass(std::string_view name) {
  for (const Pass& pass : all_passes())
    if (name == pass.name) return &pass;
  return nullptr;
}

void run_passes(graph::Graph& graph, const std::vector<Pass>& passes, PassContext& context) {
  if (!context.dump_dir.empty()) dump(graph, context, 0, "import");
  for (size_t i = 0; i < passes.size(); ++i) {
    const Pass& pass = passes[i];
    auto start = std::chrono::steady_clock::now();
    try {
      bool changed = pass.run(graph, context);
      if (context.verify) graph::verify(graph);
      if (changed && !context.dump_dir.empty()) dump(graph, context, i + 1, pass.name);
    } catch (Error& error) {
      error.add_context(str("in pass '", pass.name, "'"));
      throw;
    }
    std::chrono::duration<double, std::nano> elapsed = std::chrono::steady_clock::now() - start;
    context.timings.emplace_back(pass.name, elapsed.count());
  }
}

}  // namespace sardonyx::passes
