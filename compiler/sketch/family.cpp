#include "compiler/sketch/family.h"

#include "compiler/sketch/families.h"

namespace sardonyx::sketch {

namespace {

const Family cpu_families[] = {pointwise_family, attention_family,     inverted_residual_family,
                               narrow_family,    winograd_family,      contraction_family,
                               window_family,    row_reduction_family, loops_family};
const Family gpu_families[] = {gpu::pointwise_family,     gpu::contraction_family, gpu::window_family,
                               gpu::row_reduction_family, gpu::direct_family,      loops_family};

}  // namespace

std::span<const Family> families(const Target& target) {
  if (target.kind == tensor::TargetKind::OpenClGpu) return gpu_families;
  return cpu_families;
}

const Family* family_of(std::string_view name) {
  for (std::span<const Family> list : {std::span<const Family>(cpu_families), std::span<const Family>(gpu_families)}) {
    for (const Family& family : list) {
      if (name == family.name) return &family;
    }
  }
  return nullptr;
}

}  // namespace sardonyx::sketch
