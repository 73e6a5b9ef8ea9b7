// What the conformance suite is run for: every registered device, and the null device, which has no kernels.
#pragma once
#include <ostream>
#include <string>
#include <vector>

#include "backends/backend.h"

namespace sardonyx::conformance {

struct Subject {
  std::string name;  // for names of tests: "cpu", "opencl", "opencl_1"
  const backends::Backend* backend = nullptr;
  backends::DeviceInfo device;
  std::vector<backends::DeviceInfo> places;  // what graphs are compiled for: the host, and the device unless it is that
};
inline void PrintTo(const Subject& subject, std::ostream* out) { *out << subject.name; }

// What a device type promises. Devices without a row may decline what they like, with a reason.
struct Expectation {
  const char* backend;
  bool runs_all_expressible;  // every primitive with a tensor expression, in every dtype
  bool f64_by_target;         // but f64 where its target has no fp64
};
const Expectation& expectation_of(const Subject& subject);

// Whether the sweep over the primitives tries every dtype on devices whose drivers compile slowly.
extern bool every_dtype;

// All registered devices, the host first.
const std::vector<Subject>& subjects();
// Those with a runtime::Device, and the null device.
const std::vector<Subject>& opened_subjects();

}  // namespace sardonyx::conformance
