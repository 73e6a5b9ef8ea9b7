// The backend to copy: it must stay a whole backend that declines everything.
#include <gtest/gtest.h>

#include "backends/null/backend.h"
#include "runtime/base/status.h"

namespace sardonyx::null {
namespace {

TEST(NullBackend, FindsNothingAndDeclinesEverythingWithReasons) {
  EXPECT_EQ(backend().name(), "null");
  EXPECT_TRUE(backend().discover().empty());
  auto graph = graph::parse(R"(graph(%0:f32[n,4] "x", %1:f32[4,5] "w") {
  %2:f32[n,5] = fused %0, %1 {name="group 1"} (%3:f32[n,4], %4:f32[4,5]) {
    %5:f32[n,5] = matmul %3, %4
    %6:f32[n,5] = unary %5 {fn=tanh}
    yield %6
  }
  yield %2 "y"
}
)");
  const backends::Candidates answer = backend().candidates(*graph->body().nodes().front(), {});
  EXPECT_TRUE(answer.list.empty());
  EXPECT_EQ(answer.refusals, (std::vector<std::string>{"null.matmul: the null backend runs nothing",
                                                       "null.unary: the null backend runs nothing"}));
  EXPECT_TRUE(backend().compile({}, {}, {}).empty());
}

TEST(NullBackend, RunsNoKernel) {
  const runtime::DevicePtr device = backend().open({}, {});
  EXPECT_TRUE(device->load({}).empty());
  const runtime::KernelPtr none[1] = {};
  EXPECT_THROW(device->load(none), Error);
}

}  // namespace
}  // namespace sardonyx::null
