// Compiled programs on disk: what a device makes of them.
#include <optional>

#include "backends/disk_cache.h"
#include "tests/backends/opencl_harness.h"

namespace sardonyx::testing {
namespace {

// A device with a cache. PoCL has one of its own, which must not answer in its place: each process gets an empty one.
class DeviceCache : public ::testing::Test {
 protected:
  // Loads kernels, checks that they compute, and gives the seconds that loading took.
  static double load_and_run(const std::string& folder, const std::string& text = kernel_text) {
    Settings settings;
    settings.cache_dir = folder;
    DevicePtr device = open_device(settings);
    const auto start = std::chrono::steady_clock::now();
    auto kernels = device->load(test_kernels(text));
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    auto a = floats(device, 100), c = floats(device, 100);
    std::vector<float> from(100, 2), to(100);
    EXPECT_DONE(
        run_now(device, {upload(from, a), launch(kernels[Add], 100, {{a, 0}, {a, 0}, {c, 0}}), download(c, to)}));
    EXPECT_EQ(to, std::vector<float>(100, 4));
    return seconds.count();
  }
  static std::string only_entry(const std::string& folder) {
    EXPECT_EQ(entries(folder), 1u);
    return std::filesystem::directory_iterator(folder)->path();
  }
};

TEST_F(DeviceCache, SecondProcessLoadsInAFifthOfTheTime) {
  // The children come here too, and work in the folder of their parent.
  std::optional<Folder> folder;
  if (getenv("CACHE_TEST_FOLDER") == nullptr) setenv("CACHE_TEST_FOLDER", folder.emplace().path.c_str(), 1);
  const std::string path = getenv("CACHE_TEST_FOLDER");
  for (const char* name : {"first", "second"})
    in_fresh_process([&] {
      const std::string pocl = str(path, "/pocl-", name);
      std::filesystem::create_directory(pocl);
      setenv("POCL_CACHE_DIR", pocl.c_str(), 1);
      std::ofstream(str(path, "/", name)) << load_and_run(path + "/cache");
    });
  unsetenv("CACHE_TEST_FOLDER");
  EXPECT_LT(std::stod(read(path + "/second")) * 5, std::stod(read(path + "/first")));
}

TEST_F(DeviceCache, TextOptionsAndDamageDecide) {
  Folder cache;
  load_and_run(cache.path);
  const std::string path = only_entry(cache.path), stored = read(path);
  load_and_run(cache.path);
  EXPECT_EQ(entries(cache.path), 1u);
  EXPECT_EQ(read(path), stored) << "a hit stores nothing";
  load_and_run(cache.path, str(kernel_text, "// another\n"));
  EXPECT_EQ(entries(cache.path), 2u);

  std::string damaged = stored;
  damaged[damaged.size() / 2] ^= 1;
  write(path, damaged);
  load_and_run(cache.path);
  EXPECT_NE(read(path), damaged) << "a miss stores anew";
}

// Whole and with a right checksum, but not what the driver wants: as after an update that kept its version number.
TEST_F(DeviceCache, BinaryThatTheDriverRefusesIsBuiltAnew) {
  Folder cache;
  load_and_run(cache.path);
  const std::string path = only_entry(cache.path);
  const backends::DiskCache forger(cache.path, "clbin", 1 << 20);
  const std::string good = read(path);
  // The header of a small entry of ours, under the key hash of the device's.
  forger.store("key", "no program");
  std::string forged = read(forger.path("key"));
  std::filesystem::remove(forger.path("key"));
  forged.replace(16, 16, good, 16, 16);
  write(path, forged);
  load_and_run(cache.path);
  EXPECT_NE(read(path), forged);
}

}  // namespace
}  // namespace sardonyx::testing
