// Every way to run one layer, measured on one core: generated kernels at all points that their families propose, and
// the vendor's library, over the same values. Prints a table, or JSON lines with --json.
//
//   bench_kernels conv:64,64,56,3 conv:IC,OC,SIZE,KERNEL[,STRIDE[,GROUPS]] product:128,3072,768 rows:128,3072,768 ...
//                 softmax:ROWS,COLUMNS norm:ROWS,COLUMNS gelu:ROWS,COLUMNS attention:HEADS,ROWS,KEYS,DEPTH
//                 cache:HEADS,KEYS,DEPTH [--cold] [--layers N] [--json] [--only TEXT] [--cheapest N]
//
// `rows` is a product whose number of rows only the run knows.
// `conv8` and `product8` are on codes of 8 bits, quantized again; `product_i4`, `product_i8` and `product_bf16` are of
// float32 by such weights.
// `cache` is the attention of one row over keys and values that a decoder keeps, [1, HEADS, KEYS, DEPTH] each.
// `norm` is the layer norm of a sum of two tensors. Of softmax, norm and gelu every element counts as one operation.
//
// --cold cycles through copies of the weights that no cache holds together, as a whole network does; --layers
// cycles through so many copies of the inputs. A figure is the best of several repetitions. GFLOP/s count
// multiplications of a direct sum, whatever the algorithm, and padding.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <random>

#include "backends/backend.h"
#include "backends/cpu/backend.h"
#include "backends/group_program.h"
#include "compiler/expr/simplify.h"
#include "compiler/graph/builder.h"
#include "compiler/passes/pipeline.h"
#include "compiler/sketch/family.h"
#include "runtime/base/compile_thread.h"
#include "runtime/base/pages.h"
#include "runtime/base/status.h"
#include "runtime/base/strings.h"
#include "runtime/memory.h"
#include "runtime/thread_hooks.h"

namespace sardonyx::bench {

using backends::Candidate;
using backends::CompiledGroup;

namespace {

constexpr double seconds_per_candidate = 0.4;
constexpr int64_t cold_bytes = int64_t{96} << 20;

struct Options {
  bool cold = false, json = false;
  size_t layers = 1;
  std::string only;     // candidates whose names contain it
  size_t cheapest = 0;  // so many of them, by estimate; 0: all
};

struct Layer {
  std::string name;
  std::unique_ptr<graph::Graph> graph;
  const graph::Node* group = nullptr;
  double flops = 0;
  std::unordered_map<const expr::Variable*, int64_t> symbols{};
};

Tensor random_tensor(Dims dims) {
  Tensor tensor(DType::F32, std::move(dims));
  std::mt19937 random(1);
  std::uniform_real_distribution<float> real(-1, 1);
  std::generate_n(tensor.data<float>(), tensor.count(), [&] { return real(random); });
  return tensor;
}

std::vector<int64_t> numbers(const std::string& text) {
  std::vector<int64_t> list;
  for (const std::string& part : split(text, ',')) list.push_back(std::stoll(part));
  return list;
}

// A convolution with bias and Relu, padded to keep its size.
graph::Value* add_convolution(Layer& layer, const std::vector<int64_t>& n) {
  const int64_t ic = n.at(0), oc = n.at(1), size = n.at(2), kernel = n.at(3), stride = n.size() > 4 ? n[4] : 1,
                groups = n.size() > 5 ? n[5] : 1;
  graph::Builder b(*layer.graph);
  graph::Value* x = layer.graph->body().add_parameter({DType::F32, {1, ic, size, size}, {}}, "x");
  graph::ConvAttrs attrs;
  attrs.strides = {stride, stride};
  attrs.dilations = {1, 1};
  attrs.pads.assign(4, expr::Expr((kernel - 1) / 2));
  attrs.groups = groups;
  graph::Value* y = b.conv(x, b.constant(random_tensor({oc, ic / groups, kernel, kernel})), attrs);
  y = b.add(y, b.constant(random_tensor({1, oc, 1, 1})));
  y = b.maximum(y, b.scalar_like(y, 0));
  const double out = double(*expr::as_int(y->type.dims[2]) * *expr::as_int(y->type.dims[3]));
  layer.flops = 2 * out * double(oc * ic / groups * kernel * kernel);
  return y;
}

Tensor random_codes(DType dtype, Dims dims) {
  Tensor tensor(dtype, std::move(dims));
  std::mt19937 random(1);
  std::uniform_real_distribution<double> real(-1, 1);
  for (int64_t i = 0; i < tensor.count(); ++i) {
    if (is_float(dtype))
      tensor.set_double(i, real(random));
    else
      tensor.raw()[i] = uint8_t(extend_element(int64_t(random() & 255), dtype));
  }
  return tensor;
}

// What the importer makes of a dequantized convolution or product (of codes without zero point, by a scale per channel,
// with bias) and of the quantization of its result: of a convolution's after a ReLU, so that its zero point is 0.
graph::Value* add_quantized(Layer& layer, const std::vector<int64_t>& n, bool convolution) {
  graph::Builder b(*layer.graph);
  const auto dequantized = [&](graph::Value* codes, graph::Value* scale) {
    return b.mul(b.cast(b.cast(codes, DType::I32), DType::F32), scale);
  };
  graph::Value *x = nullptr, *y = nullptr;
  if (convolution) {
    const int64_t ic = n.at(0), oc = n.at(1), size = n.at(2), kernel = n.at(3), stride = n.size() > 4 ? n[4] : 1,
                  groups = n.size() > 5 ? n[5] : 1;
    x = layer.graph->body().add_parameter({DType::U8, {1, ic, size, size}, {}}, "x");
    graph::ConvAttrs attrs;
    attrs.strides = {stride, stride};
    attrs.dilations = {1, 1};
    attrs.pads.assign(4, expr::Expr((kernel - 1) / 2));
    attrs.groups = groups;
    graph::Value* w = b.constant(random_codes(DType::I8, {oc, ic / groups, kernel, kernel}));
    y = b.conv(dequantized(x, b.scalar(DType::F32, 0.01)), dequantized(w, b.constant(random_tensor({oc, 1, 1, 1}))),
               attrs);
    y = b.add(y, b.constant(random_tensor({1, oc, 1, 1})));
    const double out = double(*expr::as_int(y->type.dims[2]) * *expr::as_int(y->type.dims[3]));
    layer.flops = 2 * out * double(oc * ic / groups * kernel * kernel);
  } else {
    x = layer.graph->body().add_parameter({DType::U8, {n.at(0), n.at(2)}, {}}, "x");
    graph::Value* w = b.constant(random_codes(DType::I8, {n[2], n.at(1)}));
    y = b.matmul(dequantized(x, b.scalar(DType::F32, 0.01)), dequantized(w, b.constant(random_tensor({n[1]}))));
    y = b.add(y, b.constant(random_tensor({n[1]})));
    layer.flops = 2.0 * double(n[0] * n[1] * n[2]);
  }
  y = b.unary(graph::UnaryFunction::Round, b.div(y, b.scalar(DType::F32, 3)));
  if (!convolution) y = b.add(y, b.scalar(DType::F32, 128));
  return b.cast(b.minimum(b.maximum(y, b.scalar_like(y, 0)), b.scalar_like(y, 255)), DType::U8);
}

graph::Value* add_convolution8(Layer& layer, const std::vector<int64_t>& n) { return add_quantized(layer, n, true); }
graph::Value* add_product8(Layer& layer, const std::vector<int64_t>& n) { return add_quantized(layer, n, false); }

// A product of matrices, M x K by a constant K x N, with bias.
template <bool open>
graph::Value* add_product(Layer& layer, const std::vector<int64_t>& n) {
  graph::Builder b(*layer.graph);
  expr::Expr rows = n.at(0);
  if (open) {
    rows = layer.graph->symbol("M");
    layer.symbols[rows->var.get()] = n[0];
  }
  graph::Value* x = layer.graph->body().add_parameter({DType::F32, {rows, n.at(2)}, {}}, "x");
  graph::Value* y = b.matmul(x, b.constant(random_tensor({n[2], n.at(1)})));
  layer.flops = 2.0 * double(n[0] * n[1] * n[2]);
  return b.add(y, b.constant(random_tensor({n[1]})));
}

// Maps of rows x columns.
graph::Value* add_softmax(Layer& layer, const std::vector<int64_t>& n) {
  graph::Builder b(*layer.graph);
  layer.flops = double(n.at(0) * n.at(1));
  return b.softmax(layer.graph->body().add_parameter({DType::F32, {n[0], n[1]}, {}}, "x"), 1);
}

graph::Value* add_norm(Layer& layer, const std::vector<int64_t>& n) {
  graph::Builder b(*layer.graph);
  layer.flops = double(n.at(0) * n.at(1));
  const auto input = [&](const char* name) {
    return layer.graph->body().add_parameter({DType::F32, {n[0], n[1]}, {}}, name);
  };
  graph::Value* sum = b.add(input("x"), input("residual"));
  return b.layer_norm(sum, b.constant(random_tensor({n[1]})), b.constant(random_tensor({n[1]})), 1, 1e-5);
}

graph::Value* add_gelu(Layer& layer, const std::vector<int64_t>& n) {
  graph::Builder b(*layer.graph);
  layer.flops = double(n.at(0) * n.at(1));
  graph::Value* x = layer.graph->body().add_parameter({DType::F32, {n[0], n[1]}, {}}, "x");
  graph::Value* erf = b.unary(graph::UnaryFunction::Erf, b.mul(x, b.scalar_like(x, std::sqrt(0.5))));
  return b.mul(b.mul(x, b.scalar_like(x, 0.5)), b.add(erf, b.scalar_like(x, 1)));
}

// Attention with a mask per key, over slices of one projection [KEYS, 3 * HEADS * DEPTH]; the queries are its last
// rows.
graph::Value* add_attention(Layer& layer, const std::vector<int64_t>& n) {
  const int64_t heads = n.at(0), rows = n.at(1), keys = n.at(2), depth = n.at(3), width = heads * depth;
  graph::Builder b(*layer.graph);
  graph::Value* x = layer.graph->body().add_parameter({DType::F32, {1, keys, 3 * width}, {}}, "x");
  graph::Value* mask = layer.graph->body().add_parameter({DType::F32, {1, 1, 1, keys}, {}}, "mask");
  const auto part = [&](int64_t number, int64_t length) {
    graph::Value* slice = b.slice_axis(b.slice_axis(x, 2, number * width, width), 1, keys - length, length);
    return b.transpose(b.reshape(slice, {1, length, heads, depth}), {0, 2, 1, 3});
  };
  graph::Value* scores = b.matmul(part(0, rows), b.transpose(part(1, keys), {0, 1, 3, 2}));
  scores = b.add(b.mul(scores, b.scalar_like(scores, 1 / std::sqrt(double(depth)))), mask);
  graph::Value* y = b.matmul(b.softmax(scores, 3), part(2, keys));
  layer.flops = 4.0 * double(heads * rows * keys * depth);
  return b.reshape(b.transpose(y, {0, 2, 1, 3}), {1, rows, width});
}

graph::Value* add_cache_step(Layer& layer, const std::vector<int64_t>& n) {
  const int64_t heads = n.at(0), keys = n.at(1), depth = n.at(2);
  graph::Builder b(*layer.graph);
  const auto parameter = [&](const char* name, int64_t rows) {
    return layer.graph->body().add_parameter({DType::F32, {1, heads, rows, depth}, {}}, name);
  };
  graph::Value *query = parameter("query", 1), *key = parameter("key", keys), *value = parameter("value", keys);
  graph::Value* scores = b.matmul(query, b.transpose(key, {0, 1, 3, 2}));
  scores = b.mul(scores, b.scalar_like(scores, 1 / std::sqrt(double(depth))));
  layer.flops = 4.0 * double(heads * keys * depth);
  return b.matmul(b.softmax(scores, 3), value);
}

// A product by weights of few bits: codes with a scale per column, or per block of 32 where they have 4 bits.
template <DType dtype>
graph::Value* add_narrow_product(Layer& layer, const std::vector<int64_t>& n) {
  const int64_t m = n.at(0), columns = n.at(1), k = n.at(2), block = 32;
  graph::Builder b(*layer.graph);
  graph::Value* x = layer.graph->body().add_parameter({DType::F32, {m, k}, {}}, "x");
  graph::Value* w = b.constant(random_codes(dtype, {k, columns}));
  if (is_float(dtype)) {
    w = b.cast(w, DType::F32);
  } else {
    w = b.cast(b.cast(w, DType::I32), DType::F32);
    graph::Value* scale = b.constant(random_tensor({dtype == DType::I4 ? (k + block - 1) / block : 1, columns}));
    if (dtype == DType::I4) scale = b.gather(scale, b.div(b.iota(DType::I64, {k}, 0), b.ints({block})), 0);
    w = b.mul(w, scale);
  }
  layer.flops = 2.0 * double(m * columns * k);
  return b.add(b.matmul(x, w), b.constant(random_tensor({columns})));
}

Layer make_layer(const std::string& text) {
  Layer layer;
  layer.name = text;
  layer.graph = std::make_unique<graph::Graph>();
  const size_t colon = text.find(':');
  const std::string kind = text.substr(0, colon);
  const std::map<std::string, decltype(&add_convolution)> kinds = {{"conv", add_convolution},
                                                                   {"conv8", add_convolution8},
                                                                   {"product", add_product<false>},
                                                                   {"gelu", add_gelu},
                                                                   {"norm", add_norm},
                                                                   {"product8", add_product8},
                                                                   {"rows", add_product<true>},
                                                                   {"softmax", add_softmax},
                                                                   {"attention", add_attention},
                                                                   {"cache", add_cache_step},
                                                                   {"product_i4", add_narrow_product<DType::I4>},
                                                                   {"product_i8", add_narrow_product<DType::I8>},
                                                                   {"product_bf16", add_narrow_product<DType::BF16>}};
  const auto add = kinds.find(kind);
  require(
      colon != std::string::npos && add != kinds.end(), Status::InvalidName, "'", text,
      "' is no conv[8]:IC,OC,SIZE,KERNEL[,STRIDE[,GROUPS]], product[8|_i4|_i8|_bf16]:M,N,K, rows:M,N,K, softmax:M,N, "
      "norm:M,N, gelu:M,N, attention:HEADS,ROWS,KEYS,DEPTH or cache:HEADS,KEYS,DEPTH");
  layer.graph->set_outputs({add->second(layer, numbers(text.substr(colon + 1)))}, {"y"});
  passes::PassContext context;
  passes::run_passes(*layer.graph, passes::pipeline(), context);
  for (const auto& node : layer.graph->body().nodes())
    if (node->op == graph::Op::fused) layer.group = node.get();
  check(layer.group != nullptr, "the layer became no group");
  return layer;
}

// The candidates of the backend, and for generated ones every point that the family proposes.
std::vector<Candidate> candidates_of(const Layer& layer, const tensor::Target& target) {
  std::vector<Candidate> all;
  for (const Candidate& candidate : cpu::backend().candidates(*layer.group, target).list) {
    const sketch::Family* family = candidate.kind == Candidate::Kind::Scheduled
                                       ? sketch::family_of(candidate.family.substr(candidate.family.find('.') + 1))
                                       : nullptr;
    if (!family) {
      all.push_back(candidate);
      continue;
    }
    const auto problem = backends::express_group(*layer.group, candidate.inputs, candidate.outputs);
    for (const auto& proposal : family->propose(problem, target, nullptr)) {
      all.push_back(candidate);
      all.back().point = proposal.point;
      all.back().cost_ns = proposal.cost_ns;
    }
  }
  return all;
}

// A compiled group with memory for its operands, in copies as the options say.
class Subject {
 public:
  Subject(const Layer& layer, const Candidate& candidate, CompiledGroup code, const Options& options)
      : code_(std::move(code)), symbols_(layer.symbols) {
    const graph::Node& group = *layer.group;
    for (size_t i = 0; i < group.operands.size(); ++i) {
      const Tensor* constant = group.operand(int(i))->constant();
      const auto pack = code_.pack.find(int(i));
      if (constant) {
        // Each copy is packed, so that it lies where packed weights lie.
        const auto make = [&] { return pack == code_.pack.end() ? constant->clone() : pack->second(*constant); };
        std::vector<Tensor> versions{make()};
        const int64_t copies =
            options.cold ? std::min<int64_t>(64, cold_bytes / std::max<int64_t>(1, versions[0].bytes()) + 1) : 1;
        while (int64_t(versions.size()) < copies) versions.push_back(make());
        operands_.push_back(std::move(versions));
      } else {
        graph::TensorType type = group.operand(int(i))->type;
        if (i < candidate.inputs.size()) type.layout = candidate.inputs[i];
        auto& versions = operands_.emplace_back();
        while (versions.size() < options.layers) versions.push_back(filled(type.dtype, graph::physical_dims(type)));
      }
    }
    for (size_t i = 0; i < group.results.size(); ++i) {
      graph::TensorType type = group.results[i]->type;
      if (i < candidate.outputs.size()) type.layout = candidate.outputs[i];
      operands_.push_back({filled(type.dtype, graph::physical_dims(type))});
    }
    for (const auto& temporary : code_.temporaries) operands_.push_back({filled(temporary.dtype, temporary.dims)});
    for (const auto& launch : code_.launches) {
      std::vector<int64_t>& dims = dims_.emplace_back();
      for (const expr::Expr& dim : launch.dims) dims.push_back(expr::evaluate(dim, symbols_));
      invocations_.push_back(launch.kernel->prepare(dims));
      scratch_.reserve(invocations_.back()->scratch_bytes);
    }
  }

  void run() {
    ++runs_;
    for (size_t i = 0; i < invocations_.size(); ++i) {
      std::vector<void*> buffers;
      for (const auto* list : {&code_.launches[i].inputs, &code_.launches[i].outputs})
        for (int operand : *list) {
          auto& versions = operands_[size_t(operand)];
          buffers.push_back(versions[runs_ % versions.size()].raw());
        }
      const auto& invocation = runtime::on_host(*invocations_[i]);
      const int32_t status = invocation.run(buffers.data(), dims_[i].data(), scratch_.data(), 0, invocation.grid);
      check(status == runtime::KernelOk, "a kernel failed with ", status);
    }
  }

 private:
  // On pages of the size that the memory of a run has.
  Tensor filled(DType dtype, const std::vector<expr::Expr>& dims) const {
    Dims extents;
    for (const expr::Expr& dim : dims) extents.push_back(expr::evaluate(dim, symbols_));
    const int64_t bytes = byte_size(dtype, extents);
    Tensor tensor(dtype, extents, weight_bytes(bytes, Pages::Huge));
    if (dtype == DType::F32)
      std::copy_n(random_tensor(std::move(extents)).raw(), bytes, tensor.raw());
    else
      std::fill_n(tensor.raw(), bytes, uint8_t{0});
    return tensor;
  }

  CompiledGroup code_;
  std::unordered_map<const expr::Variable*, int64_t> symbols_;
  std::vector<std::vector<Tensor>> operands_;  // each in one or more copies
  std::vector<std::vector<int64_t>> dims_;     // per launch
  std::vector<std::shared_ptr<const runtime::Invocation>> invocations_;
  runtime::Memory scratch_;
  size_t runs_ = 0;
};

double best_seconds(Subject& subject) {
  using Clock = std::chrono::steady_clock;
  const auto seconds = [](Clock::duration d) { return std::chrono::duration<double>(d).count(); };
  subject.run();
  double best = 1e30;
  const auto begin = Clock::now();
  for (int i = 0; i < 5 || seconds(Clock::now() - begin) < seconds_per_candidate; ++i) {
    const auto start = Clock::now();
    subject.run();
    best = std::min(best, seconds(Clock::now() - start));
  }
  return best;
}

std::string name_of(const Candidate& candidate) {
  return candidate.family + (candidate.point.empty() ? "" : " " + backends::to_string(candidate.point));
}

// The layouts of the first operand and of the first result.
std::string layouts_of(const Layer& layer, const Candidate& candidate) {
  const auto text = [](const std::vector<graph::Layout>& layouts, const graph::TensorType& type) {
    return layouts.empty() || layouts[0].row_major() ? "rows" : graph::to_string(layouts[0], int(type.rank()));
  };
  return text(candidate.inputs, layer.group->operand(0)->type) + ">" +
         text(candidate.outputs, layer.group->results[0]->type);
}

void measure(const Layer& layer, const Options& options) {
  tensor::Target target = backends::devices().front().target;
  target.cores = 1;
  const runtime::KernelThreadScope scope;
  std::vector<Candidate> candidates;
  for (Candidate& candidate : candidates_of(layer, target))
    if (name_of(candidate).find(options.only) != std::string::npos) candidates.push_back(std::move(candidate));
  if (options.cheapest > 0 && candidates.size() > options.cheapest) {
    // Of equal ones those of blocked tensors first, as the neighbours in a network have them.
    const auto rank = [](const Candidate& c) {
      return std::pair(c.cost_ns, c.inputs.empty() || c.inputs[0].row_major());
    };
    std::stable_sort(candidates.begin(), candidates.end(),
                     [&](const Candidate& a, const Candidate& b) { return rank(a) < rank(b); });
    candidates.resize(options.cheapest);
  }
  for (const Candidate& candidate : candidates) {
    const backends::Chosen chosen{layer.group, candidate};
    auto compiled = cpu::backend().compile({&chosen, 1}, target, settings_from_environment());
    if (compiled[0].host) continue;
    Subject subject(layer, candidate, std::move(compiled[0]), options);
    const double seconds = best_seconds(subject), gflops = layer.flops / seconds * 1e-9;
    const double peak = target.flops_per_ns;
    if (options.json) {
      const nlohmann::ordered_json line = {{"layer", layer.name},
                                           {"candidate", candidate.family},
                                           {"point", candidate.point},
                                           {"cold", options.cold},
                                           {"layouts", layouts_of(layer, candidate)},
                                           {"us", seconds * 1e6},
                                           {"estimate_us", candidate.cost_ns / 1e3},
                                           {"gflops", gflops},
                                           {"share_of_peak", gflops / peak}};
      std::printf("%s\n", line.dump().c_str());
    } else {
      std::printf("%-28s %-48s %-17s %10.1f us %8.1f GFLOP/s %5.0f %%   estimate %10.1f us\n", layer.name.c_str(),
                  name_of(candidate).c_str(), layouts_of(layer, candidate).c_str(), seconds * 1e6, gflops,
                  100 * gflops / peak, candidate.cost_ns / 1e3);
    }
    std::fflush(stdout);
  }
}

}  // namespace
}  // namespace sardonyx::bench

int main(int argc, char** argv) {
  CLI::App app("Measures every candidate of a layer on one core");
  std::vector<std::string> layers;
  sardonyx::bench::Options options;
  app.add_option(
         "layers", layers,
         "conv[8]:IC,OC,SIZE,KERNEL[,STRIDE[,GROUPS]] product[8|_i4|_i8|_bf16]:M,N,K rows:M,N,K softmax:M,N norm:M,N "
         "gelu:M,N attention:HEADS,ROWS,KEYS,DEPTH cache:HEADS,KEYS,DEPTH")
      ->required();
  app.add_option("--only", options.only, "candidates whose family and point contain this text");
  app.add_option("--cheapest", options.cheapest, "so many candidates, by estimate; 0: all");
  app.add_flag("--cold", options.cold, "weights from memory");
  app.add_option("--layers", options.layers, "so many copies of the inputs, in turn")->check(CLI::PositiveNumber);
  app.add_flag("--json", options.json, "a JSON object per line");
  CLI11_PARSE(app, argc, argv);
  try {
    sardonyx::on_compile_thread([&] {
      for (const std::string& text : layers) sardonyx::bench::measure(sardonyx::bench::make_layer(text), options);
    });
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_kernels: %s\n", error.what());
    return 1;
  }
}
