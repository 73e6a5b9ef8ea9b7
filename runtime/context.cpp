#include "runtime/dispatcher.h"
#include "runtime/session.h"

namespace sardonyx::runtime {

std::shared_ptr<Context> Context::create(const Settings& settings) {
  return std::shared_ptr<Context>(new Context(settings));
}

Context::Context(const Settings& settings) : settings_(settings), dispatcher_(std::make_unique<Dispatcher>(settings)) {}

Context::~Context() = default;

}  // namespace sardonyx::runtime
