#include "compiler/driver/place.h"

#include <algorithm>

#include "backends/choices.h"
#include "compiler/expr/simplify.h"
#include "runtime/base/strings.h"

namespace sardonyx::driver {

namespace {

constexpr int64_t typical_extent = 64;
constexpr double reorder_start_ns = 500;

}  // namespace

std::string name_of(std::span<const Place> places, int device) {
  return backends::device_name(*places[size_t(device)].device, device == 0);
}

int find_place(std::span<const Place> places, const std::string& name) {
  for (size_t i = 0; i < places.size(); ++i)
    if (name == places[i].device->backend || name == name_of(places, int(i))) return int(i);
  return -1;
}

double transfer_ns(std::span<const Place> places, int from, int to, double bytes) {
  double total = 0;
  for (int end : {from, to}) {
    if (end == 0) continue;
    const backends::Target& target = places[size_t(end)].device->target;
    total += target.transfer_ns + bytes / target.transfer_bytes_per_ns;
  }
  return total;
}

double reorder_ns(const Place& place, double bytes) {
  const backends::Target& target = place.device->target;
  const double moved_ns = 2 * bytes / (target.bytes_per_ns * std::max(1, target.cores));
  return reorder_start_ns + target.launch_ns + moved_ns * place.device->map_factor;
}

double typical_bytes(const graph::TensorType& type) {
  double bytes = double(size_of(type.dtype));
  for (const expr::Expr& dim : type.dims) bytes *= double(expr::as_int(dim).value_or(typical_extent));
  return bytes;
}

}  // namespace sardonyx::driver
