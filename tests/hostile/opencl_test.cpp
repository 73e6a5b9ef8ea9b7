// The rows that take part, on every OpenCL device: what a hostile value makes of a kernel there is what it makes of the
// interpreter. Under oclgrind every access of a kernel is watched.
#include "tests/hostile/run.h"

namespace sardonyx::hostile {
namespace {

std::vector<backends::DeviceInfo> host_and_device() {
  std::vector<backends::DeviceInfo> places{backends::devices().front()};
  for (const backends::DeviceInfo& device : backends::devices())
    if (device.backend == "opencl" && places.size() == 1) places.push_back(device);
  return places;
}

class HostileOpenCl : public testing::TestWithParam<size_t> {};

TEST_P(HostileOpenCl, EqualsTheInterpreter) {
  const auto places = host_and_device();
  if (places.size() == 1) GTEST_SKIP() << "no OpenCL device";
  const Row& row = rows()[GetParam()];
  std::vector<Hostile> values = row.values;
  const Tensor& honest = row.test.inputs[size_t(row.argument < 0 ? row.control : row.argument)];
  if (row.honest) values.push_back({honest});
  std::optional<Compiled> compiled;
  bool used = false;
  for (const Hostile& hostile : values) {
    if (hostile.value.dims() != honest.dims() || hostile.value.dtype() != honest.dtype()) continue;
    SCOPED_TRACE(str("value ", to_string(Result{{hostile.value}, {}})));
    const auto graph = build(row, hostile.value, Form::Static);
    const std::vector<Tensor> inputs = inputs_of(row, hostile.value, Form::Static);
    if (!compiled) compiled.emplace(*graph, places);
    used = used || compiled->uses_last_device();
    const Result expected = result_of([&] { return graph::interpret(*graph, inputs); });
    const Result actual = compiled->run(inputs);
    EXPECT_TRUE(agree(expected, actual)) << "interpreted: " << to_string(expected)
                                         << "\n     device: " << to_string(actual);
  }
  EXPECT_TRUE(used) << "nothing ran on the device";
}

std::vector<size_t> taking_part() {
  std::vector<size_t> numbers;
  for (size_t i = 0; i < rows().size(); ++i)
    if (rows()[i].opencl) numbers.push_back(i);
  return numbers;
}

INSTANTIATE_TEST_SUITE_P(Table, HostileOpenCl, testing::ValuesIn(taking_part()), name_of);

}  // namespace
}  // namespace sardonyx::hostile
