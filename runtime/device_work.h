// What one run has under way on its devices.
//
// Commands are gathered and handed to a device's queue together. The queue runs them in order, so only two things ever
// wait: a host step for what a copy from a device writes, and the end of a run, or of a nested block, for everything
// that still uses memory which others get next.
#pragma once
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/device_image.h"

namespace sardonyx::runtime {

// A point of a device that a run has to wait for.
struct DeviceWait {
  int32_t device = 0;  // 0: nothing to wait for
  Point point = 0;
  explicit operator bool() const { return device != 0; }
};

// Not thread-safe: belongs to the thread that executes the run just now.
class DeviceWork {
 public:
  explicit DeviceWork(const DeviceImage& image);

  // Begins a new run; nothing is under way.
  void start();
  // Puts the command behind the run's others. `filled`: the host value (root) that a download writes, -1: none.
  void add(int32_t device, DeviceCommand command, ValueId filled = -1);
  // Hands over what was gathered.
  void submit();
  // Forgets what was gathered: the run has failed.
  void drop();

  // The last point that was submitted to the device.
  DeviceWait latest(int32_t device) const;
  // A device other than `except` that may not have written its part of host value `root` yet. Of what was submitted.
  DeviceWait arrival(ValueId root, int32_t except) const;
  // A device that is far behind what this run has submitted to it, and the point that it should reach first. To be
  // asked again after the wait, until it says nothing.
  DeviceWait overdue();
  // A device with unfinished copies from or to host memory, or with any unfinished work.
  DeviceWait transfers() const;
  DeviceWait outstanding() const;

  // Blocks until the point is reached.
  void wait(const DeviceWait& wait);
  // Notes that the point is reached and how its work ended.
  void reached(const DeviceWait& wait, const Completion& completion);
  // Throws the first failure that was noted.
  void require_success() const;

 private:
  struct Lane {
    Point submitted = 0, transferred = 0, reached = 0;
    Point overdue = 0;  // to be reached before much more is submitted
    int ahead = 0;      // submissions behind it
  };
  const DeviceImage& image_;
  uint64_t run_ = 0;
  std::vector<Lane> lanes_;      // by device
  std::vector<Point> arrivals_;  // by value and device: what the last download into it belongs to
  std::vector<DeviceCommand> gathered_;
  std::vector<ValueId> filled_;  // by the gathered commands
  int32_t device_ = 0;           // of the gathered commands
  bool transfers_ = false;       // among them are copies from or to the host
  Completion failure_;
};

}  // namespace sardonyx::runtime
