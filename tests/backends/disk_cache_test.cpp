// Files that outlive the process: hits, misses, damage, limits.
#include "backends/disk_cache.h"

#include <sys/stat.h>

#include <chrono>
#include <optional>
#include <thread>
#include <vector>

#include "tests/backends/folder.h"

namespace sardonyx::testing {
namespace {

using backends::DiskCache;

constexpr int64_t limit = 1 << 20;

TEST(DiskCache, GivesBackWhatWasStored) {
  Folder folder;
  const DiskCache cache(folder.path + "/a/b", "kind", limit);
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

TEST(DiskCache, EmptyNameStoresNothing) {
  const DiskCache cache("", "kind", limit);
  EXPECT_FALSE(cache.enabled());
  cache.store("key", "value");
  EXPECT_EQ(cache.find("key"), std::nullopt);
}

TEST(DiskCache, EveryDamageIsAMiss) {
  Folder folder;
  const DiskCache cache(folder.path, "kind", limit);
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

TEST(DiskCache, FoldersOfOthersAreNotUsed) {
  Folder folder;
  const DiskCache cache(folder.path, "kind", limit);
  cache.store("key", "value");
  chmod(folder.path.c_str(), 0777);
  EXPECT_EQ(cache.find("key"), std::nullopt);
  cache.store("other", "value");
  chmod(folder.path.c_str(), 0700);
  EXPECT_EQ(cache.find("key"), "value");
  EXPECT_EQ(cache.find("other"), std::nullopt);
}

TEST(DiskCache, OldestEntriesGoFirst) {
  Folder folder;
  const std::string value(1000, 'v');
  const DiskCache cache(folder.path, "kind", 3500);
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

TEST(DiskCache, KindsShareAFolder) {
  Folder folder;
  const DiskCache one(folder.path, "one", 1500), other(folder.path, "other", limit);
  other.store("key", std::string(1000, 'o'));
  for (const char* key : {"key", "second"}) one.store(key, std::string(1000, '1'));
  EXPECT_EQ(other.find("key"), std::string(1000, 'o')) << "one kind's limit is not another's";
  EXPECT_EQ(one.find("second"), std::string(1000, '1'));
  EXPECT_EQ(one.find("key"), std::nullopt);
}

TEST(DiskCache, WritersAndReadersAtOnce) {
  Folder folder;
  const DiskCache cache(folder.path, "kind", limit);
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

}  // namespace
}  // namespace sardonyx::testing
