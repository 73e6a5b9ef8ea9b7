// The backend conformance suite. Plug-ins: the example, unless SARDONYX_PLUGINS says otherwise. With --every-dtype the
// sweep leaves nothing out on OpenCL devices either.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "subjects.h"

int main(int argc, char** argv) {
  setenv("SARDONYX_PLUGINS", EXAMPLE_PLUGIN, 0);
  testing::InitGoogleTest(&argc, argv);
  sardonyx::conformance::every_dtype =
      std::any_of(argv + 1, argv + argc, [](const char* word) { return std::string_view(word) == "--every-dtype"; });
  return RUN_ALL_TESTS();
}
