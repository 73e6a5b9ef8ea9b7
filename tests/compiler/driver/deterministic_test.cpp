// The same bits run for run, and, with the `deterministic` setting, for every number of threads, batch and place in it.
#include <cstring>
#include <map>

#include "tests/compiler/driver/batch_models.h"

namespace sardonyx::driver {
namespace {

constexpr int64_t samples = 16;

std::shared_ptr<runtime::Context> context_of(int threads) {
  Settings settings;
  settings.num_threads = threads;
  return runtime::Context::create(settings);
}

// Compiled for `batch` samples, or for any number of them.
std::shared_ptr<const runtime::Program> compiled(const BatchModel& model, const Settings& settings,
                                                 std::optional<int64_t> batch) {
  auto graph = std::make_unique<graph::Graph>();
  std::vector<expr::Expr> dims{batch ? expr::Expr(*batch) : graph->symbol("N")};
  dims.insert(dims.end(), model.sample.begin(), model.sample.end());
  Value* x = graph->body().add_parameter({model.dtype, dims, {}}, "x");
  Builder b(*graph);
  graph->set_outputs({model.build(b, x)}, {"y"});
  CompileOptions options;
  options.settings = settings;
  options.preferred = 0;
  auto program = compile(std::move(graph), host(), options);
  for (const auto& group : program->report) {
    const bool free = group.candidate.rfind("onednn", 0) == 0 || group.candidate.rfind("codegen.winograd", 0) == 0;
    EXPECT_FALSE(settings.deterministic && free) << group.candidate;
  }
  return program;
}

// `batch` of all samples, from number `first` on, around the end.
Tensor part_of(const Tensor& all, int64_t first, int64_t batch) {
  Dims dims = all.dims();
  dims[0] = batch;
  Tensor part(all.dtype(), dims);
  const int64_t bytes = all.bytes() / samples;
  for (int64_t i = 0; i < batch; ++i)
    std::memcpy(part.raw() + i * bytes, all.raw() + (first + i) % samples * bytes, size_t(bytes));
  return part;
}

Tensor inputs_of(const BatchModel& model) {
  Dims dims{samples};
  dims.insert(dims.end(), model.sample.begin(), model.sample.end());
  return model.dtype == DType::U8 ? random_tensor(DType::U8, dims, 1, 0, 255) : random_tensor(model.dtype, dims, 1);
}

// The shape of the result is that of the program's output with `batch` in front.
Tensor run(const std::shared_ptr<const runtime::Program>& program, const Tensor& x, const Dims& sample,
           const std::shared_ptr<runtime::Context>& context) {
  Dims dims{x.dims()[0]};
  dims.insert(dims.end(), sample.begin(), sample.end());
  return run_program(program, {x}, {dims}, context)[0];
}

Dims result_sample(const BatchModel& model) {
  graph::Graph graph;
  std::vector<expr::Expr> dims{1};
  dims.insert(dims.end(), model.sample.begin(), model.sample.end());
  Builder b(graph);
  Value* y = model.build(b, graph.body().add_parameter({model.dtype, dims, {}}, "x"));
  Dims result = *graph::static_dims(y->type);
  result.erase(result.begin());
  return result;
}

int64_t differing(const Tensor& a, const Tensor& b) {
  int64_t count = 0;
  const auto size = int64_t(size_of(a.dtype()));
  for (int64_t i = 0; i < a.count(); ++i)
    count += std::memcmp(a.raw() + i * size, b.raw() + i * size, size_t(size)) != 0;
  return count;
}

class Deterministic : public testing::TestWithParam<BatchModel> {};

TEST_P(Deterministic, SamplesHaveTheSameBitsInEveryBatch) {
  const BatchModel& model = GetParam();
  const Tensor all = inputs_of(model);
  const Dims sample = result_sample(model);
  const std::vector<std::pair<int, std::shared_ptr<runtime::Context>>> contexts{
      {1, context_of(1)}, {2, context_of(2)}, {4, context_of(4)}};
  Settings settings;
  settings.deterministic = true;
  const auto symbolic = compiled(model, settings, {});
  const Tensor wanted = run(symbolic, all, sample, contexts[0].second);
  for (int64_t batch : {1, 2, 3, 5, 16}) {
    const auto fixed = compiled(model, settings, batch);
    for (const auto& program : {symbolic, fixed})
      for (const auto& [threads, context] : contexts)
        for (int64_t first : {0, 3, 15}) {
          const Tensor got = run(program, part_of(all, first, batch), sample, context);
          ASSERT_EQ(differing(got, part_of(wanted, first, batch)), 0)
              << model.name << ", " << batch << (program == fixed ? " samples" : " of any number of samples")
              << " from " << first << ", " << threads << " threads: values differ of " << got.count();
        }
  }
}

TEST_P(Deterministic, RunsAndInitsGiveTheSameBits) {
  const BatchModel& model = GetParam();
  const Dims sample = result_sample(model);
  for (const auto& [policy, batch] : {std::pair{Policy::Auto, int64_t{3}}, {Policy::Library, int64_t{1}}}) {
    const Tensor x = part_of(inputs_of(model), 0, batch);
    std::map<int, Tensor> wanted;  // by threads
    for (int init = 0; init < 2; ++init) {
      const auto program = compiled(model, with_policy(policy), batch);
      for (int threads : {1, 2}) {
        const auto context = context_of(threads);
        for (int repeat = 0; repeat < 4; ++repeat) {
          const Tensor got = run(program, x, sample, context);
          const Tensor& first = wanted.emplace(threads, got).first->second;
          ASSERT_EQ(differing(got, first), 0) << model.name << ", init " << init << ", run " << repeat;
        }
      }
    }
  }
}

std::string test_name(const testing::TestParamInfo<BatchModel>& info) {
  std::string name = info.param.name;
  std::replace(name.begin(), name.end(), ' ', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Models, Deterministic, testing::ValuesIn(all_batch_models), test_name);

}  // namespace
}  // namespace sardonyx::driver
