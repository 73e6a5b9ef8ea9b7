#include "runtime/device_work.h"

#include <algorithm>
#include <utility>

namespace sardonyx::runtime {

namespace {
// Enough to keep the cost of handing over small, few enough for the device to begin early.
constexpr size_t gathered_limit = 32;
// Submissions that a nested block may be ahead of the device: twice this.
constexpr int ahead_limit = 8;
}  // namespace

DeviceWork::DeviceWork(const DeviceImage& image) : image_(image) {
  lanes_.resize(image.devices.size());
  arrivals_.resize(image.devices.size() * image.program->values.size());
}

void DeviceWork::start() {
  run_ = next_run_number();
  std::fill(lanes_.begin(), lanes_.end(), Lane{});
  std::fill(arrivals_.begin(), arrivals_.end(), Point{0});
  failure_ = {};
}

void DeviceWork::add(int32_t device, DeviceCommand command, ValueId filled) {
  if (device_ != device || gathered_.size() == gathered_limit) submit();
  device_ = device;
  using Op = DeviceCommand::Op;
  transfers_ |= command.op == Op::Upload || command.op == Op::Download;
  gathered_.push_back(std::move(command));
  if (filled >= 0) filled_.push_back(filled);
}

void DeviceWork::submit() {
  if (gathered_.empty()) return;
  Lane& lane = lanes_[size_t(device_)];
  lane.submitted = image_.devices[size_t(device_)]->submit(gathered_, run_);
  ++lane.ahead;
  if (transfers_) lane.transferred = lane.submitted;
  for (ValueId id : filled_) arrivals_[size_t(id) * lanes_.size() + size_t(device_)] = lane.submitted;
  drop();
}

void DeviceWork::drop() {
  gathered_.clear();
  filled_.clear();
  transfers_ = false;
}

DeviceWait DeviceWork::latest(int32_t device) const { return {device, lanes_[size_t(device)].submitted}; }

DeviceWait DeviceWork::arrival(ValueId root, int32_t except) const {
  for (size_t d = 1; d < lanes_.size(); ++d) {
    const Point point = arrivals_[size_t(root) * lanes_.size() + d];
    if (int32_t(d) != except && point > lanes_[d].reached) return {int32_t(d), point};
  }
  return {};
}

DeviceWait DeviceWork::overdue() {
  for (size_t d = 1; d < lanes_.size(); ++d) {
    Lane& lane = lanes_[d];
    if (lane.ahead < ahead_limit) continue;
    const Point point = std::exchange(lane.overdue, lane.submitted);
    lane.ahead = 0;
    if (point > lane.reached) return {int32_t(d), point};
  }
  return {};
}

DeviceWait DeviceWork::transfers() const {
  for (size_t d = 1; d < lanes_.size(); ++d)
    if (lanes_[d].transferred > lanes_[d].reached) return {int32_t(d), lanes_[d].transferred};
  return {};
}

DeviceWait DeviceWork::outstanding() const {
  for (size_t d = 1; d < lanes_.size(); ++d)
    if (lanes_[d].submitted > lanes_[d].reached) return {int32_t(d), lanes_[d].submitted};
  return {};
}

void DeviceWork::wait(const DeviceWait& wait) {
  reached(wait, image_.devices[size_t(wait.device)]->wait(wait.point, nullptr));
}

void DeviceWork::reached(const DeviceWait& wait, const Completion& completion) {
  Lane& lane = lanes_[size_t(wait.device)];
  lane.reached = std::max(lane.reached, wait.point);
  if (failure_.status == Status::Success) failure_ = completion;
}

void DeviceWork::require_success() const {
  if (failure_.status != Status::Success) throw Error(failure_.status, failure_.text);
}

}  // namespace sardonyx::runtime
