// What code generation and cost models need to know of a device, and the knobs of a schedule. Plain data.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace sardonyx::tensor {

struct Target {
  std::string cpu;                    // LLVM CPU name, "sapphirerapids"
  std::vector<std::string> features;  // LLVM features, "+avx512f"
  int vector_bytes = 16;              // widest vector register: 16, 32 or 64
  int vector_registers = 16;
  int64_t l1_bytes = 32 << 10, l2_bytes = 1 << 20, l3_bytes = 8 << 20;
  int cores = 1;
  double flops_per_ns = 16;  // one core, f32 multiply-adds counted as two
  double bytes_per_ns = 10;  // one core, from memory
};

// Named integer knobs of a schedule family: "mr=14 nv=2".
using Point = std::map<std::string, int64_t>;

}  // namespace sardonyx::tensor
