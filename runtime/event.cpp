#include "runtime/event.h"

#include <utility>

namespace sardonyx::runtime {

bool Event::signal(Status status, std::string text) {
  std::vector<std::function<void(const Event&)>> callbacks;
  {
    std::lock_guard lock(mutex_);
    if (signalled_) return false;
    signalled_ = true;
    status_ = status;
    text_ = std::move(text);
    callbacks.swap(callbacks_);
    // Notified under the lock: a waiter that returns may drop the last reference to this event.
    condition_.notify_all();
  }
  for (auto& callback : callbacks) callback(*this);
  return true;
}

bool Event::signalled() const {
  std::lock_guard lock(mutex_);
  return signalled_;
}

Status Event::wait() {
  std::unique_lock lock(mutex_);
  condition_.wait(lock, [this] { return signalled_; });
  return status_;
}

bool Event::wait_for(std::chrono::nanoseconds timeout) {
  using Clock = std::chrono::steady_clock;
  const auto now = Clock::now();
  // A time-out past the end of the clock means "for ever"; adding it would overflow.
  const bool bounded = timeout < Clock::time_point::max() - now;
  std::unique_lock lock(mutex_);
  if (bounded) return condition_.wait_until(lock, now + timeout, [this] { return signalled_; });
  condition_.wait(lock, [this] { return signalled_; });
  return true;
}

Status Event::status() const {
  std::lock_guard lock(mutex_);
  return status_;
}

std::string Event::text() const {
  std::lock_guard lock(mutex_);
  return text_;
}

void Event::on_signal(std::function<void(const Event&)> callback) {
  {
    std::lock_guard lock(mutex_);
    if (!signalled_) {
      callbacks_.push_back(std::move(callback));
      return;
    }
  }
  callback(*this);
}

void Event::set_output_shapes(std::map<std::string, Dims> shapes) {
  set_output_shapes(std::make_shared<const std::map<std::string, Dims>>(std::move(shapes)));
}

void Event::set_output_shapes(std::shared_ptr<const std::map<std::string, Dims>> shapes) {
  std::lock_guard lock(mutex_);
  // Once signalled (a host may signal the output event of a run by hand) readers hold pointers into the map.
  if (!signalled_) output_shapes_ = std::move(shapes);
}

void Event::set_results(std::vector<Tensor> results) {
  std::lock_guard lock(mutex_);
  results_ = std::move(results);
}

Tensor Event::result(size_t output) const {
  std::lock_guard lock(mutex_);
  return output < results_.size() ? results_[output] : Tensor();
}

const Dims* Event::output_shape(const std::string& name) const {
  std::lock_guard lock(mutex_);
  if (!output_shapes_) return nullptr;
  const auto found = output_shapes_->find(name);
  return found == output_shapes_->end() ? nullptr : &found->second;
}

}  // namespace sardonyx::runtime
