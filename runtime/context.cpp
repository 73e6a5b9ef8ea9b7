#include <utility>

#include "runtime/dispatcher.h"
#include "runtime/session.h"

namespace sardonyx::runtime {

std::shared_ptr<Context> Context::create(const Settings& settings, std::vector<DevicePtr> devices) {
  return std::shared_ptr<Context>(new Context(settings, std::move(devices)));
}

Context::Context(const Settings& settings, std::vector<DevicePtr> devices)
    : settings_(settings), devices_(std::move(devices)), dispatcher_(std::make_unique<Dispatcher>(settings)) {}

Context::~Context() = default;

}  // namespace sardonyx::runtime
