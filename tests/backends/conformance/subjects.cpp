#include "tests/backends/conformance/subjects.h"

#include "backends/null/backend.h"
#include "runtime/base/strings.h"

namespace sardonyx::conformance {

bool every_dtype = false;

namespace {

constexpr Expectation expectations[] = {
    {"cpu", true, false},
    {"opencl", true, true},
};
constexpr Expectation no_expectation = {"", false, false};

}  // namespace

const Expectation& expectation_of(const Subject& subject) {
  for (const Expectation& row : expectations)
    if (subject.device.backend == row.backend) return row;
  return no_expectation;
}

const std::vector<Subject>& subjects() {
  static const std::vector<Subject> all = [] {
    std::vector<Subject> list;
    const backends::DeviceInfo& host = backends::devices().front();
    for (const backends::DeviceInfo& device : backends::devices()) {
      Subject subject;
      subject.name = device.number == 0 ? device.backend : str(device.backend, "_", device.number);
      subject.backend = &backends::backend_of(device);
      subject.device = device;
      subject.places = {host};
      if (device.backend != host.backend) subject.places.push_back(device);
      list.push_back(std::move(subject));
    }
    return list;
  }();
  return all;
}

const std::vector<Subject>& opened_subjects() {
  static const std::vector<Subject> all = [] {
    std::vector<Subject> list;
    for (const Subject& subject : subjects())
      if (subject.places.size() > 1) list.push_back(subject);
    list.push_back({"null", &null::backend(), {}, {}});
    return list;
  }();
  return all;
}

}  // namespace sardonyx::conformance
