// Models whose weights have few bits: what is imported and compiled computes what the interpreter computes of them, and
// keeps them narrow.
#include "backends/group_program.h"
#include "compiler/ops/lowering.h"
#include "compiler/passes/pipeline.h"
#include "tests/compiler/driver/run_graph.h"
#include "tests/importer/models.h"

namespace sardonyx::importer::test {
namespace {

using graph::Node;
using graph::Op;

struct Case {
  int dtype = TensorProto::INT4;
  int64_t depth = 128, columns = 96;
  int64_t block = 0;        // 0: one scale per column
  bool zeros = false;       // zero points, of the type of the codes
  bool transposed = false;  // [columns, depth], transposed by the product
  bool embedding = false;   // rows of the same weights are looked up, too
  int scale = TensorProto::FLOAT;
};

bool is_nibble(int dtype) { return dtype == TensorProto::INT4 || dtype == TensorProto::UINT4; }

TensorProto codes(const std::string& name, int dtype, const std::vector<int64_t>& dims, unsigned seed) {
  std::mt19937 random(seed);
  int64_t count = 1;
  for (int64_t dim : dims) count *= dim;
  std::string bytes(size_t(is_nibble(dtype) ? (count + 1) / 2 : count), '\0');
  for (char& byte : bytes) byte = char(random());
  TensorProto result;
  result.set_name(name);
  result.set_data_type(dtype);
  for (int64_t dim : dims) result.add_dims(dim);
  result.set_raw_data(bytes);
  return result;
}

TensorProto narrow_floats(const std::string& name, int dtype, const std::vector<int64_t>& dims) {
  std::mt19937 random(5);
  int64_t count = 1;
  for (int64_t dim : dims) count *= dim;
  std::vector<uint16_t> bits;
  for (int64_t i = 0; i < count; ++i) {
    const float number = float(int(random() % 2001) - 1000) / 1000;
    bits.push_back(dtype == TensorProto::FLOAT16 ? f32_to_f16(number) : f32_to_bf16(number));
  }
  TensorProto result;
  result.set_name(name);
  result.set_data_type(dtype);
  for (int64_t dim : dims) result.add_dims(dim);
  result.set_raw_data(bits.data(), bits.size() * 2);
  return result;
}

void add_integer(NodeProto* node, const std::string& name, int64_t value) {
  add_attribute(node, name, AttributeProto::INT)->set_i(value);
}

// y = x W + bias, or x W^T, of symbolic rows.
ModelProto model_of(const Case& c) {
  ModelProto model;
  model.set_ir_version(10);
  add_import(model, "", 21);
  GraphProto* graph = model.mutable_graph();
  graph->set_name("g");
  const std::vector<int64_t> dims = c.transposed ? std::vector{c.columns, c.depth} : std::vector{c.depth, c.columns};
  *graph->add_input() = value("x", TensorProto::FLOAT, {"rows", std::to_string(c.depth)});
  if (c.dtype == TensorProto::FLOAT16 || c.dtype == TensorProto::BFLOAT16) {
    *graph->add_initializer() = narrow_floats("narrow", c.dtype, dims);
    add_integer(add_node(graph, "widen", "Cast", {"narrow"}, {"w"}), "to", TensorProto::FLOAT);
  } else {
    const int axis = (c.block > 0) == c.transposed ? 1 : 0;
    std::vector<int64_t> parameters{c.columns};
    if (c.block > 0) {
      const int64_t blocks = (c.depth + c.block - 1) / c.block;
      parameters = c.transposed ? std::vector{c.columns, blocks} : std::vector{blocks, c.columns};
    }
    int64_t count = 1;
    for (int64_t dim : parameters) count *= dim;
    std::vector<float> scales;
    for (int64_t i = 0; i < count; ++i) scales.push_back(0.01f + 0.002f * float(i % 11));
    *graph->add_initializer() = codes("codes", c.dtype, dims, 3);
    *graph->add_initializer() = floats("scales", parameters, scales);
    std::vector<std::string> inputs{"codes", "scales"};
    if (c.zeros) {
      *graph->add_initializer() = codes("zeros", c.dtype, parameters, 4);
      inputs.push_back("zeros");
    }
    NodeProto* node = add_node(graph, "dequantize", "DequantizeLinear", inputs, {"w"});
    add_integer(node, "axis", c.block > 0 ? axis : 1 - (c.transposed ? 1 : 0));
    if (c.block > 0) add_integer(node, "block_size", c.block);
  }
  *graph->add_initializer() = floats("bias", {c.columns}, std::vector<float>(size_t(c.columns), 0.5f));
  NodeProto* gemm = add_node(graph, "product", "Gemm", {"x", "w", "bias"}, {"y"});
  if (c.transposed) add_integer(gemm, "transB", 1);
  *graph->add_output() = value("y", TensorProto::FLOAT, {"rows", std::to_string(c.columns)});
  if (c.embedding) {
    *graph->add_input() = value("ids", TensorProto::INT64, {"n"});
    add_node(graph, "look up", "Gather", {"w", "ids"}, {"e"});
    *graph->add_output() = value("e", TensorProto::FLOAT, {"n", std::to_string(dims[1])});
  }
  return model;
}

std::unique_ptr<graph::Graph> imported(const Case& c) {
  auto model = parse(model_of(c));
  EXPECT_EQ(model->check().status(), Status::Success) << model->check().text();
  return model->import({});
}

// The largest constant of F32 or I32 that the passes leave.
int64_t largest_wide_constant(const graph::Graph& before) {
  auto graph = graph::clone(before);
  passes::PassContext context;
  context.verify = true;
  passes::run_passes(*graph, passes::pipeline(), context);
  int64_t largest = 0;
  for (const auto& node : graph->body().nodes())
    if (const Tensor* tensor = node->op == Op::constant ? node->result()->constant() : nullptr)
      if (size_of(tensor->dtype()) >= 4) largest = std::max(largest, tensor->count());
  return largest;
}

void expect_same(const Case& c) {
  const auto graph = imported(c);
  const int64_t blocks = c.block > 0 ? (c.depth + c.block - 1) / c.block : 1;
  EXPECT_LE(largest_wide_constant(*graph), blocks * c.columns);
  for (const int64_t rows : {1, 2, 5, 40}) {
    SCOPED_TRACE("rows " + std::to_string(rows));
    std::vector<Tensor> inputs{driver::random_tensor(DType::F32, {rows, c.depth}, 1)};
    if (c.embedding) inputs.push_back(driver::random_tensor(DType::I64, {rows}, 2, -3, 7));
    driver::expect_compiled_equals_interpreted(*graph, inputs, Policy::Auto, 1e-5);
  }
}

TEST(NarrowWeights, Quantized) {
  for (int dtype : {TensorProto::INT4, TensorProto::UINT4, TensorProto::INT8, TensorProto::UINT8})
    for (int64_t block : {0, 32, 128})
      for (bool zeros : {false, true})
        for (bool transposed : {false, true}) {
          SCOPED_TRACE(str("type ", dtype, " block ", block, zeros ? " zeros" : "", transposed ? " transposed" : ""));
          expect_same({dtype, 160, 96, block, zeros, transposed});
        }
}

TEST(NarrowWeights, Floats) {
  for (int dtype : {TensorProto::FLOAT16, TensorProto::BFLOAT16})
    for (bool transposed : {false, true}) expect_same({dtype, 160, 96, 0, false, transposed});
}

TEST(NarrowWeights, EmbeddingsShareTheWeights) {
  for (int dtype : {TensorProto::INT4, TensorProto::UINT8, TensorProto::BFLOAT16}) {
    const int64_t block = dtype == TensorProto::BFLOAT16 ? 0 : 32;
    expect_same({dtype, 128, 80, block, false, true, true});
    expect_same({dtype, 128, 80, block, dtype == TensorProto::UINT8, false, true});
  }
}

// Blocks that no kernel takes, and matrices too small to matter.
TEST(NarrowWeights, OthersStayAsTheyAre) {
  for (const Case& c : {Case{TensorProto::INT4, 120, 96, 12}, Case{TensorProto::INT8, 24, 20}}) {
    const auto graph = imported(c);
    driver::expect_compiled_equals_interpreted(*graph, {driver::random_tensor(DType::F32, {3, c.depth}, 1)},
                                               Policy::Auto, 1e-5);
  }
}

TEST(NarrowWeights, AreOneGroupWithTheirProduct) {
  const auto graph = imported({TensorProto::INT4, 128, 96, 32, true});
  passes::PassContext context;
  passes::run_passes(*graph, passes::pipeline(), context);
  int64_t groups = 0;
  for (const auto& node : graph->body().nodes()) {
    if (node->op != Op::fused) continue;
    ++groups;
    EXPECT_EQ(backends::anchor_of(*node)->op, Op::matmul);
  }
  EXPECT_EQ(groups, 1);
}

}  // namespace
}  // namespace sardonyx::importer::test
