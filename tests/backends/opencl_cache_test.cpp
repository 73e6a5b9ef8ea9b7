// Compiled programs on disk: hits, misses, damage, limits, and what a device makes of them.
#include <sys/stat.h>

#include <chrono>
#include <fstream>
#include <optional>
#include <thread>

#include "backends/opencl/program_cache.h"
#include "tests/backends/opencl_harness.h"

namespace sardonyx::testing {
namespace {

using opencl::ProgramCache;

std::string read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}
void write(const std::string& path, const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; }

size_t entries(const std::string& folder) {
  size_t count = 0;
  if (std::filesystem::exists(folder))
    for ([[maybe_unused]] const auto& file : std::filesystem::directory_iterator(folder)) ++count;
  return count;
}

TEST(ProgramCache, GivesBackWhatWasStored) {
  Folder folder;
  const ProgramCache cache(folder.path + "/a/b");
  EXPECT_EQ(cache.find("key"), std::nullopt);
  cache.store("key", "value");
  cache.store("other", std::string("\0\xff", 2));
  EXPECT_EQ(cache.find("key"), "value");
  EXPECT_EQ(cache.find("other"), std::string("\0\xff", 2));
  EXPECT_EQ(cache.find("third"), std::nullopt);
  cache.store("key", "");
  EXPECT_EQ(cache.find("key"), "");
  cache.remove("key");
  EXPECT_EQ(cache.find("key"), std::nullopt);
  EXPECT_EQ(std::filesystem::status(folder.path + "/a/b").permissions(), std::filesystem::perms::owner_all);
}

TEST(ProgramCache, EmptyNameStoresNothing) {
  const ProgramCache cache("");
  EXPECT_FALSE(cache.enabled());
  cache.store("key", "value");
  EXPECT_EQ(cache.find("key"), std::nullopt);
}

TEST(ProgramCache, EveryDamageIsAMiss) {
  Folder folder;
  const ProgramCache cache(folder.path);
  cache.store("key", "a value of some bytes");
  const std::string path = cache.path("key"), good = read(path);
  ASSERT_EQ(cache.find("key"), "a value of some bytes");
  for (size_t i = 0; i < good.size(); ++i)
    for (int bit = 0; bit < 8; ++bit) {
      std::string bad = good;
      bad[i] = char(bad[i] ^ (1 << bit));
      write(path, bad);
      ASSERT_EQ(cache.find("key"), std::nullopt) << "byte " << i << " bit " << bit;
    }
  for (size_t size = 0; size < good.size(); ++size) {
    write(path, good.substr(0, size));
    ASSERT_EQ(cache.find("key"), std::nullopt) << size << " bytes";
  }
  write(path, good + "x");
  EXPECT_EQ(cache.find("key"), std::nullopt);
  write(cache.path("another key"), good);
  EXPECT_EQ(cache.find("another key"), std::nullopt);
  std::filesystem::remove(path);
  std::filesystem::create_directory(path);
  EXPECT_EQ(cache.find("key"), std::nullopt);
  cache.store("key", "value");  // cannot be, and does no harm
  std::filesystem::remove(path);
  cache.store("key", "value");
  EXPECT_EQ(cache.find("key"), "value");
}

TEST(ProgramCache, FoldersOfOthersAreNotUsed) {
  Folder folder;
  const ProgramCache cache(folder.path);
  cache.store("key", "value");
  chmod(folder.path.c_str(), 0777);
  EXPECT_EQ(cache.find("key"), std::nullopt);
  cache.store("other", "value");
  chmod(folder.path.c_str(), 0700);
  EXPECT_EQ(cache.find("key"), "value");
  EXPECT_EQ(cache.find("other"), std::nullopt);
}

TEST(ProgramCache, OldestEntriesGoFirst) {
  Folder folder;
  const std::string value(1000, 'v');
  const ProgramCache cache(folder.path, 3500);
  for (const char* key : {"a", "b", "c"}) {
    cache.store(key, value);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  EXPECT_TRUE(cache.find("a"));  // which makes it young again
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  cache.store("d", value);
  EXPECT_FALSE(cache.find("b"));
  for (const char* key : {"a", "c", "d"}) EXPECT_TRUE(cache.find(key)) << key;
  EXPECT_EQ(entries(folder.path), 3u);
}

TEST(ProgramCache, WritersAndReadersAtOnce) {
  Folder folder;
  const ProgramCache cache(folder.path);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 100; ++i) {
        if (t < 2) cache.store("key", std::string(10000, char('a' + t)));
        if (const auto value = cache.find("key")) {
          ASSERT_EQ(value->size(), 10000u);
          ASSERT_EQ(value->find_first_not_of((*value)[0]), std::string::npos);
        }
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(entries(folder.path), 1u);
}

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
  const ProgramCache forger(cache.path);
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
