#include "compiler/sketch/family.h"

#include "compiler/sketch/families.h"

namespace sardonyx::sketch {

std::span<const Family> families() {
  static const Family table[] = {
      pointwise_family, contraction_family, window_family, row_reduction_family, loops_family,
  };
  return table;
}

const Family* family_of(std::string_view name) {
  for (const Family& family : families()) {
    if (name == family.name) return &family;
  }
  return nullptr;
}

}  // namespace sardonyx::sketch
