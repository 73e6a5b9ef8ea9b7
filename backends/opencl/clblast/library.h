// CLBlast, a library of tuned matrix kernels: used where the system has it, found at run time, never linked.
#pragma once
#include "backends/opencl/cl.h"

namespace sardonyx::opencl::clblast {

// Arguments of CLBlast's C interface (clblast_c.h). Sizes, offsets, leading dimensions and strides count elements.
constexpr int row_major = 101, not_transposed = 111, transposed = 112;

template <class T>
struct Routines {
  using Gemm = int (*)(int layout, int transpose_a, int transpose_b, size_t m, size_t n, size_t k, T alpha, cl_mem a,
                       size_t a_offset, size_t a_ld, cl_mem b, size_t b_offset, size_t b_ld, T beta, cl_mem c,
                       size_t c_offset, size_t c_ld, cl_command_queue* queue, cl_event* event);
  using GemmStridedBatched = int (*)(int layout, int transpose_a, int transpose_b, size_t m, size_t n, size_t k,
                                     T alpha, cl_mem a, size_t a_offset, size_t a_ld, size_t a_stride, cl_mem b,
                                     size_t b_offset, size_t b_ld, size_t b_stride, T beta, cl_mem c, size_t c_offset,
                                     size_t c_ld, size_t c_stride, size_t batch, cl_command_queue* queue,
                                     cl_event* event);
  Gemm gemm = nullptr;
  GemmStridedBatched gemm_strided_batched = nullptr;
};

struct Library {
  Routines<float> f32;
  Routines<double> f64;
};

// Null when the system has no usable CLBlast. Loaded by the first call, for the life of the process. Thread-safe.
const Library* library();

}  // namespace sardonyx::opencl::clblast
