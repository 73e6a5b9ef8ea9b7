// Figures of devices: what is measured, what is kept, what is left alone.
#include "backends/calibration.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cmath>
#include <thread>

#include "backends/disk_cache.h"
#include "backends/measure.h"
#include "runtime/base/status.h"
#include "tests/backends/folder.h"
#include "tests/compiler/driver/fake_device.h"

namespace sardonyx::backends {
namespace {

using driver::always;
using driver::FakeBackend;
using testing::Folder;

Settings settings_in(const std::string& folder) {
  Settings settings;
  settings.cache_dir = folder;
  settings.num_threads = 1;
  return settings;
}

// A device that answers slowly enough for the smallest samples, and counts how often it is opened.
struct Counting : FakeBackend {
  Counting() : FakeBackend("counted", always(1e9)) {
    info.device = "counted 0";
    info.driver = "1.0";
    info.memory_bandwidth = 7;
    info.macs_fp32 = 7;
  }
  runtime::DevicePtr open(const DeviceInfo& device, const OpenOptions& options) const override {
    ++opened;
    return FakeBackend::open(device, options);
  }
  mutable std::atomic<int> opened{0};
};

void expect_measured(const DeviceInfo& device) {
  EXPECT_TRUE(device.measured);
  EXPECT_GT(device.macs_fp32, 1000u);
  EXPECT_GT(device.memory_bandwidth, 1000u);
  EXPECT_GT(device.host_read_bandwidth, 1000u);
  EXPECT_GT(device.host_write_bandwidth, 1000u);
  EXPECT_GT(device.target.launch_ns, 0);
}

TEST(Measure, TheHostOnThisThread) {
  const Backend& cpu = *registry().front();
  const DeviceInfo device = cpu.discover().front();
  const Measurement measured = measure(cpu, device, {});
  EXPECT_GT(measured.macs, 1e7);
  EXPECT_GT(measured.bytes, 1e7);
  EXPECT_GT(measured.map_ratio, 0);
  EXPECT_GT(measured.contraction_ratio, 0);
  EXPECT_EQ(measured.upload_bytes, 0);
  EXPECT_EQ(measured.launch_ns, 0);
}

TEST(Measure, WhatADeviceDeclinesStaysUnknown) {
  const FakeBackend nothing("nothing", always(driver::refused));
  const Measurement measured = measure(nothing, nothing.info, {});
  EXPECT_EQ(measured.macs, 0);
  EXPECT_EQ(measured.bytes, 0);
  EXPECT_GT(measured.upload_bytes, 0);
  EXPECT_GT(measured.download_bytes, 0);
}

TEST(Calibration, IsKeptForTheProcessAndOnDisk) {
  Folder folder;
  const Counting backend;
  Calibration first(settings_in(folder.path));
  EXPECT_FALSE(first.calibrated(backend, backend.info, Effort::Recall).measured);
  EXPECT_EQ(backend.opened, 0);
  const DeviceInfo device = first.calibrated(backend, backend.info, Effort::Measure);
  expect_measured(device);
  for (const Effort effort : {Effort::Measure, Effort::Recall})
    EXPECT_EQ(first.calibrated(backend, backend.info, effort).macs_fp32, device.macs_fp32);
  Calibration second(settings_in(folder.path));
  const DeviceInfo recalled = second.calibrated(backend, backend.info, Effort::Recall);
  EXPECT_EQ(recalled.macs_fp32, device.macs_fp32);
  EXPECT_EQ(recalled.contraction_factor, device.contraction_factor);
  EXPECT_EQ(backend.opened, 1);

  // Of another driver or number of threads nothing is known.
  DeviceInfo other = backend.info;
  other.driver = "1.1";
  EXPECT_FALSE(second.calibrated(backend, other, Effort::Recall).measured);
  Settings more = settings_in(folder.path);
  more.num_threads = 2;
  EXPECT_FALSE(Calibration(more).calibrated(backend, backend.info, Effort::Recall).measured);
}

TEST(Calibration, DamagedAndOldEntriesAreMisses) {
  Folder folder;
  const Counting backend;
  Calibration(settings_in(folder.path)).calibrated(backend, backend.info, Effort::Measure);
  ASSERT_EQ(testing::entries(folder.path), 1u);
  const std::string path = std::filesystem::directory_iterator(folder.path)->path();
  const std::string good = testing::read(path);
  const auto measured = [&] {
    return Calibration(settings_in(folder.path)).calibrated(backend, backend.info, Effort::Recall).measured;
  };
  EXPECT_TRUE(measured());
  std::string bad = good;
  bad.back() = char(bad.back() ^ 1);
  testing::write(path, bad);
  EXPECT_FALSE(measured());

  // Entries with a right checksum under the same key: the header of the cache is 56 bytes, the key's hash 16 of them.
  const auto forged = [&](std::string value) {
    const DiskCache cache(folder.path, "figures", 1 << 20);
    cache.store("forged", value);
    std::string file = testing::read(cache.path("forged"));
    cache.remove("forged");
    file.replace(16, 16, good, 16, 16);
    testing::write(path, file);
    return measured();
  };
  const std::string value = good.substr(56);
  EXPECT_TRUE(forged(value));
  int64_t time = 0;
  std::memcpy(&time, value.data(), sizeof time);
  for (const int64_t days : {89, 91, -1}) {
    std::string aged = value;
    const int64_t entry[] = {time - days * 24 * 3600, int64_t{90} * 24 * 3600};
    std::memcpy(aged.data(), entry, sizeof entry);
    EXPECT_EQ(forged(aged), days == 89) << days;
  }
  std::string nonsense = value;
  const double nan = std::nan("");
  std::memcpy(nonsense.data() + 2 * sizeof time, &nan, sizeof nan);
  EXPECT_FALSE(forged(nonsense));
  EXPECT_FALSE(forged(value.substr(1)));
  EXPECT_EQ(backend.opened, 1);
}

TEST(Calibration, LeavesWhatCodeGenerationReads) {
  const Counting backend;
  const DeviceInfo device = Calibration(settings_in("")).calibrated(backend, backend.info, Effort::Measure);
  tensor::Target target = device.target;
  const tensor::Target& before = backend.info.target;
  EXPECT_EQ(target.flops_per_ns, before.flops_per_ns);
  EXPECT_EQ(target.bytes_per_ns, before.bytes_per_ns);
  EXPECT_EQ(target.cores, before.cores);
  EXPECT_EQ(target.vector_bytes, before.vector_bytes);
  // What placement reads comes in steps, so that noise seldom shows.
  for (const double stepped : {target.launch_ns, target.transfer_ns, target.transfer_bytes_per_ns,
                               device.contraction_factor, device.map_factor}) {
    const double steps = std::log2(stepped) * 4;
    EXPECT_NEAR(steps, std::round(steps), 1e-9) << stepped;
  }
}

TEST(Calibration, OffMeansEstimates) {
  const Counting backend;
  Settings settings = settings_in("");
  settings.calibrate = false;
  const DeviceInfo device = Calibration(settings).calibrated(backend, backend.info, Effort::Measure);
  EXPECT_FALSE(device.measured);
  EXPECT_EQ(device.macs_fp32, 7u);
  EXPECT_EQ(backend.opened, 0);
}

TEST(Calibration, ADeviceThatFailsIsAskedOnce) {
  struct Failing : Counting {
    runtime::DevicePtr open(const DeviceInfo&, const OpenOptions&) const override {
      ++opened;
      fail(Status::NoDeviceResources, "not today");
    }
  };
  Folder folder;
  const Failing backend;
  Calibration calibration(settings_in(folder.path));
  for (int i = 0; i < 2; ++i) EXPECT_EQ(calibration.calibrated(backend, backend.info, Effort::Measure).macs_fp32, 7u);
  EXPECT_EQ(backend.opened, 1);
  EXPECT_EQ(testing::entries(folder.path), 0u);
}

// It is given up, and let go when it answers after all.
TEST(Calibration, ADeviceThatHangs) {
  struct Hanging : driver::FakeDevice {
    runtime::Completion wait(runtime::Point, std::function<void(const runtime::Completion&)> done) override {
      waiting = std::move(done);
      return {};
    }
    std::function<void(const runtime::Completion&)> waiting;
  };
  struct HangingBackend : Counting {
    runtime::DevicePtr open(const DeviceInfo&, const OpenOptions&) const override {
      auto device = std::make_shared<Hanging>();
      last = device;
      return device;
    }
    mutable std::weak_ptr<Hanging> last;
  };
  const HangingBackend backend;
  const auto start = std::chrono::steady_clock::now();
  EXPECT_FALSE(Calibration(settings_in("")).calibrated(backend, backend.info, Effort::Measure).measured);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(4));
  auto device = backend.last.lock();
  ASSERT_NE(device, nullptr) << "its commands are under way";
  auto done = std::exchange(device->waiting, nullptr);
  device.reset();
  done({});
  done = nullptr;
  EXPECT_TRUE(backend.last.expired());
}

TEST(Calibration, ThreadsMeasureOnce) {
  const Counting backend;
  Calibration calibration(settings_in(""));
  std::vector<std::thread> threads;
  std::vector<uint64_t> seen(4);
  for (uint64_t& macs : seen)
    threads.emplace_back([&] { macs = calibration.calibrated(backend, backend.info, Effort::Measure).macs_fp32; });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(backend.opened, 1);
  for (const uint64_t macs : seen) EXPECT_EQ(macs, seen[0]);
}

TEST(Calibration, AForkMeasuresNothing) {
  const Counting backend;
  Calibration calibration(settings_in(""));
  const pid_t child = fork();
  if (child == 0) {
    const bool measured = calibration.calibrated(backend, backend.info, Effort::Measure).measured;
    _exit(measured || backend.opened != 0 ? 1 : 0);
  }
  int status = -1;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace sardonyx::backends
