// A program on its devices: what a session puts there once and all its runs share.
//
//   auto image = load_image(program, context->devices());
//   image->program->main.steps[3].kernel    // as the step's device loaded it
//   image->constants[7]                     // memory of value 7, a constant of some device
#pragma once
#include <memory>
#include <span>
#include <vector>

#include "runtime/device.h"
#include "runtime/program.h"

namespace sardonyx::runtime {

// Immutable.
struct DeviceImage {
  std::shared_ptr<const Program> program;
  std::vector<DevicePtr> devices;          // by Program::devices; [0], the host, is null
  std::vector<DeviceMemoryPtr> constants;  // by value; null but for Constants of devices
};

// Copies the program, loads the kernels of every device and uploads its constants; returns when they are there.
// `devices` is parallel to Program::devices. Constants that only devices read have no host bytes in the copy. Throws
// Error: whatever allocation, loading or the upload throws.
std::shared_ptr<const DeviceImage> load_image(const Program& program, std::span<const DevicePtr> devices);

// A number that no other run in this process has, for Device::submit.
uint64_t next_run_number();

}  // namespace sardonyx::runtime
