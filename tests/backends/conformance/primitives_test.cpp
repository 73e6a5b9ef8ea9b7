// Every primitive in every dtype on every device: compiled alone, run, compared with the graph interpreter.
//
// Each graph is compiled with a number and with a symbol for its free dim; the second runs with several values, 0 among
// them. What a device declines runs on the host and must be right as well; the table at the end says why it declined.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "compiler/expr/simplify.h"
#include "compiler/passes/pipeline.h"
#include "tests/backends/conformance/primitives.h"
#include "tests/backends/conformance/subjects.h"
#include "tests/compiler/driver/run_graph.h"

namespace sardonyx::conformance {
namespace {

using graph::Graph;
using graph::Node;

constexpr DType dtypes[] = {DType::F32, DType::F64, DType::F16, DType::BF16, DType::I8,  DType::I16, DType::I32,
                            DType::I64, DType::U8,  DType::U16, DType::U32,  DType::U64, DType::Bool};
// Types that graphs move, select and cast, and hardly compute with.
constexpr DType byte_dtypes[] = {DType::F8E4M3FN, DType::F8E4M3FNUZ, DType::F8E5M2, DType::F8E5M2FNUZ, DType::F8E8M0,
                                 DType::F4E2M1,   DType::U4,         DType::I4,     DType::U2,         DType::I2};

// ---- the table ------------------------------------------------------------------------------------------------------

struct Row {
  std::vector<std::string> passed;
  std::map<std::string, std::vector<std::string>> declined;  // by reason
};

class Table : public testing::Environment {
 public:
  static std::map<std::string, std::map<std::string, Row>>& rows() {
    static std::map<std::string, std::map<std::string, Row>> all;
    return all;
  }
  void TearDown() override {
    for (const auto& [subject, primitives] : rows()) {
      size_t passed = 0, declined = 0;
      std::string text;
      for (const auto& [name, row] : primitives) {
        passed += row.passed.size();
        text += str("  ", name, std::string(name.size() < 28 ? 28 - name.size() : 1, ' '), join(row.passed, " "), "\n");
        for (const auto& [reason, types] : row.declined) {
          declined += types.size();
          text += str("      declined ", join(types, " "), ": ", reason, "\n");
        }
      }
      std::printf("device %s: %zu of %zu primitives in a dtype run on it\n%s", subject.c_str(), passed,
                  passed + declined, text.c_str());
    }
  }
};
testing::Environment* const table = testing::AddGlobalTestEnvironment(new Table);

// ---- running one graph ----------------------------------------------------------------------------------------------

// Devices are opened once.
const std::shared_ptr<runtime::Context>& context_of(const Subject& subject) {
  static auto& known = *new std::map<std::string, std::shared_ptr<runtime::Context>>;
  auto& context = known[subject.name];
  if (!context) {
    Settings settings;
    settings.num_threads = 2;
    std::vector<runtime::DevicePtr> devices(subject.places.size());
    for (size_t i = 1; i < devices.size(); ++i)
      devices[i] = backends::backend_of(subject.places[i]).open(subject.places[i], {.settings = settings});
    context = runtime::Context::create(settings, std::move(devices));
  }
  return context;
}

std::shared_ptr<const runtime::Program> compile_for(const Subject& subject, const Graph& graph) {
  driver::CompileOptions options;
  options.preferred = int(subject.places.size()) - 1;
  return driver::compile(graph::clone(graph), subject.places, options);
}

std::vector<Tensor> run(const std::shared_ptr<runtime::Session>& session, const std::vector<Tensor>& inputs,
                        const std::vector<Tensor>& expected) {
  driver::HostBuffers buffers;
  std::vector<runtime::HostTensor> in, out;
  std::vector<Tensor> results;
  for (const Tensor& tensor : inputs) in.push_back(buffers.input(tensor));
  for (const Tensor& tensor : expected) results.emplace_back(tensor.dtype(), tensor.dims());
  for (Tensor& result : results) out.push_back(buffers.output(result));
  auto done = std::make_shared<runtime::Event>();
  session->submit(session->bind(in, out), nullptr, done);
  require(done->wait() == Status::Success, done->status(), done->text());
  session->wait_idle();
  buffers.read();
  return results;
}

std::vector<Tensor> random_inputs(const Maker& maker, int64_t n, uint64_t seed) {
  std::unordered_map<const expr::Variable*, int64_t> values;
  if (maker.n()->kind == expr::Kind::Var) values[maker.n()->var.get()] = n;
  std::vector<Tensor> inputs;
  for (const InputData& input : maker.inputs) {
    Dims dims;
    for (const Expr& dim : input.dims) dims.push_back(expr::evaluate(dim, values));
    inputs.push_back(driver::random_tensor(input.dtype, std::move(dims), seed + inputs.size(), input.low, input.high));
  }
  return inputs;
}

// Rounding error of one operation relative to its result. For f64 what the math functions promise (1e-14 in all).
double unit_of(DType dtype) {
  switch (dtype) {
    case DType::F64:
      return 1e-15;
    case DType::F16:
      return 0x1p-11;
    case DType::BF16:
      return 0x1p-8;
    default:
      return 0x1p-24;
  }
}

double tolerance(const Tensor& expected, Precision precision) {
  if (!is_float(expected.dtype())) return 0;
  double largest = 0;
  for (int64_t i = 0; i < expected.count(); ++i)
    if (std::isfinite(expected.as_double(i))) largest = std::max(largest, std::fabs(expected.as_double(i)));
  return double(precision) * unit_of(expected.dtype()) * largest;
}

// ---- what a device declines -----------------------------------------------------------------------------------------

bool mentions(const Node& group, DType dtype) {
  auto is = [&](const graph::Value* value) { return value->type.dtype == dtype; };
  for (const auto& node : group.regions[0]->nodes()) {
    if (std::any_of(node->operands.begin(), node->operands.end(), is)) return true;
    for (const auto& result : node->results)
      if (is(result.get())) return true;
  }
  return false;
}

bool must_run(const Subject& subject, const Node& group) {
  const Expectation& expected = expectation_of(subject);
  if (!expected.runs_all_expressible) return false;
  if (expected.f64_by_target && !subject.device.target.fp64 && mentions(group, DType::F64)) return false;
  for (const auto& node : group.regions[0]->nodes())
    if (node->op != graph::Op::yield && !graph::op_def(node->op).express) return false;
  return true;
}

// Reasons for which the device declines groups of the graph; empty when it takes all.
std::set<std::string> refusals_of(const Subject& subject, const Graph& graph) {
  const auto fused = graph::clone(graph);
  passes::PassContext context;
  passes::run_passes(*fused, passes::pipeline(), context);
  std::set<std::string> reasons;
  for (const auto& node : fused->body().nodes()) {
    if (node->op != graph::Op::fused) continue;
    const backends::Candidates answer = subject.backend->candidates(*node, subject.device.target);
    if (!answer.list.empty()) continue;
    EXPECT_FALSE(answer.refusals.empty()) << "declined without a reason:\n" << graph::to_string(*node);
    EXPECT_FALSE(must_run(subject, *node)) << "declined: " << join(answer.refusals, "; ") << "\n"
                                           << graph::to_string(*node);
    reasons.insert(join(answer.refusals, "; "));
  }
  return reasons;
}

// ---- the sweep ------------------------------------------------------------------------------------------------------

struct Cell {
  Subject subject;
  const PrimitiveCase* primitive = nullptr;
};
void PrintTo(const Cell& cell, std::ostream* out) { *out << cell.primitive->name << " on " << cell.subject.name; }

std::vector<Cell> all_cells() {
  std::vector<Cell> cells;
  for (const Subject& subject : subjects())
    for (const PrimitiveCase& primitive : primitive_cases()) cells.push_back({subject, &primitive});
  return cells;
}

class PrimitiveSweep : public testing::TestWithParam<Cell> {
 protected:
  // The forms in which a dtype is tried, `symbolic` or not. Drivers of OpenCL take up to seconds for every kernel, so
  // there each case has all forms of one dtype, and every fourth of the others, which take turns from case to case.
  std::vector<bool> forms(DType dtype) const {
    const auto& [subject, primitive] = GetParam();
    if (subject.device.backend != "opencl" || dtype == DType::F32 || every_dtype) return {false, true};
    const size_t turn = size_t(primitive - primitive_cases().data()) + size_t(dtype);
    if (turn % 4 != 0) return {};
    return {turn % 8 == 0};
  }

  // Whether the case does nothing with the elements of its dtype but moving and casting them.
  bool only_moves() const {
    using graph::Op;
    static const std::set<Op> moving = {Op::constant,        Op::cast,      Op::select, Op::broadcast,  Op::reshape,
                                        Op::transpose,       Op::slice,     Op::pad,    Op::concat,     Op::gather,
                                        Op::gather_elements, Op::gather_nd, Op::yield,  Op::dims_tensor};
    Graph graph;
    Maker maker(graph, DType::F32, false);
    try {
      GetParam().primitive->make(maker);
    } catch (const Error&) {
      return false;  // not for floats
    }
    return std::all_of(graph.body().nodes().begin(), graph.body().nodes().end(),
                       [](const auto& node) { return moving.count(node->op) != 0; });
  }

  // False when the primitive is not defined for the dtype.
  bool sweep(DType dtype, bool symbolic) {
    const auto& [subject, primitive] = GetParam();
    Graph graph;
    Maker maker(graph, dtype, symbolic);
    try {
      const std::vector<Value*> outputs = primitive->make(maker);
      std::vector<std::string> names;
      for (size_t i = 0; i < outputs.size(); ++i) names.push_back(str("y", i));
      graph.set_outputs(outputs, names);
    } catch (const Error& error) {
      EXPECT_TRUE(error.status() == Status::InvalidModel || error.status() == Status::UnsupportedDatatype)
          << error.text();
      return false;
    }
    const std::set<std::string> reasons = refusals_of(subject, graph);
    const auto program = compile_for(subject, graph);
    if (reasons.empty()) {
      for (const runtime::GroupReport& group : program->report)
        EXPECT_TRUE(group.primitives == "copy" || group.device == program->devices.back())
            << group.primitives << " is on " << group.device << ": " << group.reason;
    }
    auto session = std::make_shared<runtime::Session>(program, context_of(subject));
    for (int64_t n : symbolic ? std::vector<int64_t>{Maker::typical_n, 1, 0} : std::vector<int64_t>{Maker::typical_n})
      compare(graph, maker, session, n);
    auto& row = Table::rows()[subject.name][primitive->name];
    const bool recorded = symbolic && forms(dtype).size() == 2;
    if (recorded || HasFailure()) return true;
    const std::string type(dtype_name(dtype));
    if (reasons.empty())
      row.passed.push_back(type);
    else
      row.declined[join(std::vector<std::string>(reasons.begin(), reasons.end()), "; ")].push_back(type);
    return true;
  }

  void compare(const Graph& graph, const Maker& maker, const std::shared_ptr<runtime::Session>& session, int64_t n) {
    const std::vector<Tensor> inputs = random_inputs(maker, n, uint64_t(n) + 17);
    const std::vector<Tensor> expected = graph::interpret(graph, inputs);
    const std::vector<Tensor> actual = run(session, inputs, expected);
    for (size_t i = 0; i < actual.size(); ++i)
      EXPECT_EQ(driver::difference(actual[i], expected[i], tolerance(expected[i], GetParam().primitive->precision)), "")
          << "output " << i << ", n = " << n << "\n"
          << graph::to_string(graph);
  }
};

TEST_P(PrimitiveSweep, EqualsTheInterpreter) {
  int defined = 0;
  const auto attempt = [&](DType dtype, bool symbolic) {
    SCOPED_TRACE(str(dtype_name(dtype), symbolic ? ", symbolic" : ", static"));
    try {
      defined += sweep(dtype, symbolic);
    } catch (const Error& error) {
      ADD_FAILURE() << status_name(error.status()) << ": " << error.text();
    }
  };
  for (DType dtype : dtypes)
    for (bool symbolic : forms(dtype)) attempt(dtype, symbolic);
  for (DType dtype : dtypes)
    if (defined == 0) attempt(dtype, false);
  // Three of the byte types by turns: all behave alike.
  const size_t turn = size_t(GetParam().primitive - primitive_cases().data());
  if (only_moves())
    for (size_t i = 0; i < 3; ++i) attempt(byte_dtypes[(turn + 3 * i) % std::size(byte_dtypes)], (turn + i) % 2 != 0);
  EXPECT_GT(defined, 0) << "the case is not defined for any dtype";
}

std::string cell_name(const testing::TestParamInfo<Cell>& info) {
  std::string name = info.param.subject.name + "_" + info.param.primitive->name;
  for (char& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  return name;
}

INSTANTIATE_TEST_SUITE_P(Devices, PrimitiveSweep, testing::ValuesIn(all_cells()), cell_name);

// A new primitive needs a case, or a word why it has none.
TEST(PrimitiveCases, CoverEveryKind) {
  std::set<std::string> covered;
  for (graph::Op op : kinds_left_out()) covered.emplace(graph::op_name(op));
  for (const PrimitiveCase& primitive : primitive_cases()) {
    Graph graph;
    Maker maker(graph, primitive.name == "unary not" ? DType::Bool : DType::F32, true);
    try {
      primitive.make(maker);
    } catch (const Error&) {
      continue;  // not for this dtype; another case or dtype covers the kind
    }
    for (const auto& node : graph.body().nodes()) covered.emplace(graph::op_name(node->op));
  }
  covered.emplace("dims_tensor");  // has integer dtypes only
  for (int i = 0; i < graph::op_count; ++i)
    EXPECT_TRUE(covered.count(std::string(graph::op_name(graph::Op(i))))) << graph::op_name(graph::Op(i));
}

}  // namespace
}  // namespace sardonyx::conformance
