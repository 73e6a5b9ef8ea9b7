// What a command throws when the person at the keyboard asked for something that cannot be: exit code 2.
#pragma once
#include <stdexcept>

namespace sardonyx::tools {

class UsageError : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace sardonyx::tools
