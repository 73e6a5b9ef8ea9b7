// The devices that a graph is compiled for, numbered; 0 is the host.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "backends/backend.h"

namespace sardonyx::driver {

struct Place {
  const backends::Backend* backend = nullptr;
  const backends::DeviceInfo* device = nullptr;
};

// "cpu" for the host, "opencl:0" for others.
std::string name_of(std::span<const Place> places, int device);
// By that name, or by a backend's name alone: its first device here. -1: none.
int find_place(std::span<const Place> places, const std::string& name);

// Estimated time of a copy between two different devices; it goes through the host.
double transfer_ns(std::span<const Place> places, int from, int to, double bytes);
// Estimated time of a change of layout on a device.
double reorder_ns(const Place& place, double bytes);

// Bytes of a tensor for estimates: a symbolic extent counts as a typical one.
double typical_bytes(const graph::TensorType& type);

}  // namespace sardonyx::driver
