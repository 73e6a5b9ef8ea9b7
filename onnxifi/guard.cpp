#include "onnxifi/guard.h"

#include <new>
#include <stdexcept>
#include <system_error>

#include "runtime/base/log.h"

namespace sardonyx::onnxifi {

namespace {

thread_local std::string error_text;

onnxStatus remember(Status status, const char* text) noexcept {
  try {
    error_text = text;
    log(LogLevel::Info, status_name(status), ": ", text);
  } catch (...) {
    error_text.clear();  // no memory even for the text; the status says enough
  }
  return onnxStatus(status);
}

}  // namespace

onnxStatus translate_exception() noexcept {
  try {
    throw;
  } catch (const Error& error) {
    return remember(error.status(), error.what());
  } catch (const std::bad_alloc&) {
    return remember(Status::NoSystemMemory, "out of memory");
  } catch (const std::length_error&) {
    return remember(Status::NoSystemMemory, "a container would exceed the address space");
  } catch (const std::system_error& error) {
    return remember(Status::NoSystemResources, error.what());
  } catch (const std::exception& error) {
    return remember(Status::InternalError, error.what());
  } catch (...) {
    return remember(Status::InternalError, "unknown exception");
  }
}

const std::string& last_error() { return error_text; }

}  // namespace sardonyx::onnxifi
