// The backend conformance suite. Plug-ins: the example, unless SARDONYX_PLUGINS says otherwise.
#include <gtest/gtest.h>

#include <cstdlib>

int main(int argc, char** argv) {
  setenv("SARDONYX_PLUGINS", EXAMPLE_PLUGIN, 0);
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
