#include "backends/opencl/clblast/kernel.h"

#include <array>

#include "backends/opencl/clblast/library.h"
#include "backends/opencl/memory.h"
#include "compiler/expr/simplify.h"
#include "compiler/tensor/symbol_values.h"

namespace sardonyx::opencl::clblast {

namespace {

// A matrix with concrete dims; offsets count elements.
struct Place {
  size_t leading = 0, stride = 0;
  bool transposed = false;
};

struct Sizes {
  DType dtype = DType::F32;
  size_t batch = 1, m = 1, n = 1, k = 1;
  Place a, b, c;
};

struct Block {
  cl_mem memory = nullptr;
  size_t offset = 0;
};

template <class T>
int call(const Routines<T>& routines, const Sizes& s, const std::array<Block, 3>& at, cl_command_queue queue,
         cl_event* event) {
  auto flag = [](const Place& place) { return place.transposed ? transposed : not_transposed; };
  const Block &a = at[0], &b = at[1], &c = at[2];
  if (s.batch == 1) {
    return routines.gemm(row_major, flag(s.a), flag(s.b), s.m, s.n, s.k, T(1), a.memory, a.offset, s.a.leading,
                         b.memory, b.offset, s.b.leading, T(0), c.memory, c.offset, s.c.leading, &queue, event);
  }
  return routines.gemm_strided_batched(row_major, flag(s.a), flag(s.b), s.m, s.n, s.k, T(1), a.memory, a.offset,
                                       s.a.leading, s.a.stride, b.memory, b.offset, s.b.leading, s.b.stride, T(0),
                                       c.memory, c.offset, s.c.leading, s.c.stride, s.batch, &queue, event);
}

void run(const Sizes& sizes, const std::array<Block, 3>& at, cl_command_queue queue, cl_event* event) {
  const Library* blas = library();
  check(blas != nullptr, "CLBlast went away");
  int code =
      sizes.dtype == DType::F32 ? call(blas->f32, sizes, at, queue, event) : call(blas->f64, sizes, at, queue, event);
  check_call(code, "CLBlast's gemm");
}

class GemmInvocation final : public VendorInvocation {
 public:
  explicit GemmInvocation(const Sizes& sizes) : sizes_(sizes) {}
  std::string name() const override { return "clblast.gemm"; }

  void enqueue(cl_command_queue queue, const std::vector<runtime::DeviceRange>& operands,
               EventOwner& event) const override {
    check(operands.size() == 3, name(), " got ", operands.size(), " operands");
    std::array<Block, 3> at;
    for (size_t i = 0; i < at.size(); ++i) {
      at[i] = {static_cast<const Memory&>(*operands[i].memory).get(),
               size_t(operands[i].offset) / size_of(sizes_.dtype)};
    }
    run(sizes_, at, queue, event.out());
  }

 private:
  Sizes sizes_;
};

}  // namespace

std::shared_ptr<const runtime::Invocation> GemmKernel::prepare(std::span<const int64_t> dims) const {
  const tensor::SymbolValues values = tensor::symbol_values(gemm_.symbols, dims, name());
  auto value = [&](const expr::Expr& e) { return size_t(std::max<int64_t>(0, expr::evaluate(e, values))); };
  auto place = [&](const Matrix& matrix) -> Place {
    return {value(matrix.leading), value(matrix.stride), matrix.transposed};
  };
  Sizes sizes{gemm_.dtype,    value(gemm_.batch), value(gemm_.m), value(gemm_.n),
              value(gemm_.k), place(gemm_.a),     place(gemm_.b), place(gemm_.c)};
  auto invocation = std::make_shared<GemmInvocation>(sizes);
  invocation->grid = int64_t(sizes.batch * sizes.m * sizes.n);
  invocation->cost_ns = double(invocation->grid) * double(sizes.k) * ns_per_point_;
  return invocation;
}

// CLBlast compiles its kernels at the first call of a routine, once per context.
void GemmKernel::warm_up(cl_context context, cl_command_queue queue) const {
  cl_int code = CL_SUCCESS;
  const size_t bytes = 3 * size_of(gemm_.dtype);
  MemoryOwner memory(clCreateBuffer(context, CL_MEM_READ_WRITE, bytes, nullptr, &code));
  check_call(code, "clCreateBuffer");
  const Place one{1, 1, false};
  const Sizes sizes{
      gemm_.dtype, expr::is_const(gemm_.batch, 1) ? size_t{1} : size_t{2}, 1, 1, 1, {1, 0, false}, {1, 0, false}, one};
  const size_t last = sizes.batch == 1 ? 2 : 1;  // the two results of a batch follow each other
  run(sizes, {{{memory.get(), 0}, {memory.get(), 0}, {memory.get(), last}}}, queue, nullptr);
  check_call(clFinish(queue), "clFinish");
}

}  // namespace sardonyx::opencl::clblast
