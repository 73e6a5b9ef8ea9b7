// What code generation and cost models need to know of a device, and the knobs of a schedule. Plain data.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace sardonyx::tensor {

// Whose code it is. Kernels for the CPUs of OpenCL are loops and vectors like the host's; on GPUs work-items are many,
// and vectors only widen loads.
enum class TargetKind : uint8_t { Host, OpenClCpu, OpenClGpu };

struct Target {
  TargetKind kind = TargetKind::Host;
  std::string cpu;                    // LLVM CPU name, "sapphirerapids"; of the host only
  std::vector<std::string> features;  // LLVM features, "+avx512f"
  int vector_bytes = 16;              // widest vector register: 16, 32 or 64
  int vector_registers = 16;
  bool byte_products = false;  // Function::Dot4 in vectors of vector_bytes
  bool bf16_products = false;  // Function::Dot2; a compilation clears it unless its settings ask for fast_math
  // The order of a sum is a function of what is summed alone: not of how many sums there are, nor of layouts.
  bool deterministic = false;
  int64_t l1_bytes = 32 << 10, l2_bytes = 1 << 20, l3_bytes = 8 << 20;
  int cores = 1;             // of a GPU: compute units
  double flops_per_ns = 16;  // one core, f32 multiply-adds counted as two
  double bytes_per_ns = 10;  // one core, from memory

  // Devices other than the host: what a copy between host memory and theirs costs, and a launch beside its kernel's
  // work.
  double transfer_ns = 10000;
  double transfer_bytes_per_ns = 10;
  double launch_ns = 0;

  // OpenCL devices only.
  int64_t local_bytes = 0;    // local memory of a work-group
  int max_group = 1;          // work-items of a work-group
  bool fp64 = false;          // cl_khr_fp64
  bool fma = false;           // fused multiply-add at full speed
  bool exact_divide = false;  // F32 division and square root can be asked to round correctly
};

// Columns of a head of attention, in queries, keys and values: more would not stay in registers and near caches.
inline constexpr int64_t most_head_columns = 512;

// Named integer knobs of a schedule family: "mr=14 nv=2".
using Point = std::map<std::string, int64_t>;

}  // namespace sardonyx::tensor
