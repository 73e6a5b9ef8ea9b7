// Runs programs through a family and the code generator, and compares with the interpreter.
#pragma once
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <set>

#include "backends/cpu/llvm/compile.h"
#include "compiler/expr/simplify.h"
#include "compiler/sketch/family.h"
#include "compiler/tensor/interpret.h"

namespace sardonyx::testing {

using sketch::Lowered;

// AVX2 and SSE4.2: narrower vectors than the host's, whose code the host runs as well.
inline std::vector<tensor::Target> narrow_targets() {
  std::vector<tensor::Target> targets;
  for (auto [bytes, features] : {std::pair<int, const char*>{32, "+avx2,+fma,+f16c"}, {16, "+sse4.2"}}) {
    tensor::Target& target = targets.emplace_back();
    target.cpu = "x86-64";
    target.features = {features};
    target.vector_bytes = bytes;
    target.vector_registers = 16;
  }
  return targets;
}

using sketch::Problem;
using tensor::Program;

inline Tensor random_tensor(DType dtype, Dims dims, std::mt19937& random, double low = -2, double high = 2) {
  Tensor t(dtype, std::move(dims));
  std::uniform_real_distribution<double> real(low, high);
  for (int64_t i = 0; i < t.count(); ++i) {
    if (dtype == DType::Bool) {
      t.set_int(i, int64_t(random() % 2));
    } else if (is_integer(dtype)) {
      t.set_int(i, int64_t(random() % 20) - (is_signed(dtype) ? 10 : 0));
    } else {
      t.set_double(i, real(random));
    }
  }
  return t;
}

// Types whose elements take a byte and have no C++ type.
constexpr DType byte_dtypes[] = {DType::F8E4M3FN, DType::F8E4M3FNUZ, DType::F8E5M2, DType::F8E5M2FNUZ, DType::F8E8M0,
                                 DType::F4E2M1,   DType::U4,         DType::I4,     DType::U2,         DType::I2};

// Every value of a type of at most 16 bits, in order of its bits.
inline Tensor all_codes(DType dtype) {
  const int64_t count = int64_t{1} << bits_of_element(dtype);
  Tensor codes(dtype, {count});
  for (int64_t i = 0; i < count; ++i) {
    if (bits_of_element(dtype) == 16)
      codes.data<uint16_t>()[i] = uint16_t(i);
    else
      codes.raw()[i] = uint8_t(is_integer(dtype) ? extend_element(i, dtype) : i);
  }
  return codes;
}

// F32 or F64 numbers around everything that rounds: the values of all mini floats and the middles between them, each
// with its neighbours, and what is special or huge.
inline Tensor boundary_numbers(DType dtype) {
  std::vector<double> numbers{0, NAN, INFINITY, 1e30, 1e-30, 0x1p-149, 3e9, 1e300, 1e-300, 61440, 65520, 65536};
  for (DType mini : byte_dtypes) {
    if (!is_float(mini)) continue;
    Tensor codes = all_codes(mini);
    for (int64_t i = 1; i < codes.count() / (mini == DType::F8E8M0 ? 1 : 2); ++i) {
      numbers.push_back(codes.as_double(i));
      numbers.push_back((codes.as_double(i) + codes.as_double(i - 1)) / 2);
    }
  }
  Tensor result(dtype, {int64_t(numbers.size()) * 6});
  for (size_t i = 0; i < numbers.size(); ++i)
    for (int k = 0; k < 6; ++k) {
      const double toward = k / 2 == 1 ? INFINITY : 0;
      double x = numbers[i];
      if (k / 2 > 0)
        x = dtype == DType::F32 ? double(std::nextafter(float(x), float(toward))) : std::nextafter(x, toward);
      result.set_double(int64_t(i) * 6 + k, k % 2 ? -x : x);
    }
  return result;
}

inline Dims evaluate_dims(const std::vector<expr::Expr>& dims,
                          const std::unordered_map<const expr::Variable*, int64_t>& values) {
  Dims result;
  for (const expr::Expr& d : dims) result.push_back(expr::evaluate(d, values));
  return result;
}

using BufferTensors = std::unordered_map<const expr::Buffer*, Tensor>;

// What a run has in memory, on any device: inputs, constants as they are packed, and poison where temporaries and
// outputs will be.
inline BufferTensors tensors_of(const Problem& problem, const Lowered& lowered, const std::vector<Tensor>& inputs,
                                const std::vector<int64_t>& symbols) {
  const Program& program = problem.program;
  std::unordered_map<const expr::Variable*, int64_t> values;
  for (size_t i = 0; i < symbols.size(); ++i) values[program.symbols[i].get()] = symbols[i];
  BufferTensors tensors;
  for (size_t i = 0; i < inputs.size(); ++i) tensors[program.inputs[i].get()] = inputs[i];
  for (const sketch::Packed& packed : lowered.packed)
    tensors[packed.buffer.get()] =
        packed.pack ? packed.pack(inputs[size_t(packed.input)]) : inputs[size_t(packed.input)];
  for (const auto& list : {lowered.temporaries, program.outputs})
    for (const expr::BufferPtr& buffer : list) {
      Tensor t(buffer->dtype, evaluate_dims(buffer->dims, values));
      std::memset(t.raw(), 0xa5, size_t(t.bytes()));
      tensors[buffer.get()] = t;
    }
  return tensors;
}

struct RunResult {
  std::vector<Tensor> outputs;
  int32_t code = 0;
};

// Launches every kernel in two chunks over its grid with poisoned outputs and temporaries.
class Runner {
 public:
  Runner(const Problem& problem, const Lowered& lowered, const tensor::Target& target = cpu::host_target())
      : problem_(problem), lowered_(lowered) {
    kernels_ = cpu::compile_kernels(lowered.launches, target, Settings{});
  }

  RunResult run(const std::vector<Tensor>& inputs, const std::vector<int64_t>& symbols) const {
    BufferTensors memory = tensors_of(problem_, lowered_, inputs, symbols);
    RunResult result;
    for (size_t k = 0; k < kernels_.size() && !result.code; ++k) {
      auto invocation = kernels_[k]->prepare(symbols);
      std::vector<void*> buffers;
      for (const auto& b : lowered_.launches[k].buffers) {
        if (!memory.count(b.get())) ADD_FAILURE() << "buffer " << b->name << " has no memory";
        buffers.push_back(memory[b.get()].raw());
      }
      auto scratch = allocate_bytes(size_t(invocation->scratch_bytes) + 64);
      std::memset(scratch.get(), 0xa5, size_t(invocation->scratch_bytes));
      int64_t middle = invocation->grid / 3;
      result.code = runtime::on_host(*invocation).run(buffers.data(), symbols.data(), scratch.get(), 0, middle);
      if (!result.code) {
        result.code =
            runtime::on_host(*invocation).run(buffers.data(), symbols.data(), scratch.get(), middle, invocation->grid);
      }
    }
    for (const auto& b : problem_.program.outputs) result.outputs.push_back(memory[b.get()]);
    return result;
  }

  const std::vector<runtime::KernelPtr>& kernels() const { return kernels_; }

 private:
  Problem problem_;
  Lowered lowered_;
  std::vector<runtime::KernelPtr> kernels_;
};

// |got - want| <= absolute + relative * |want|, exact for integers; NaN equals NaN.
inline ::testing::AssertionResult close(const Tensor& got, const Tensor& want, double relative, double absolute) {
  if (got.dtype() != want.dtype() || got.dims() != want.dims()) {
    return ::testing::AssertionFailure() << "types differ";
  }
  for (int64_t i = 0; i < want.count(); ++i) {
    if (!is_float(want.dtype())) {
      if (got.as_int(i) != want.as_int(i)) {
        return ::testing::AssertionFailure() << "element " << i << ": " << got.as_int(i) << " != " << want.as_int(i);
      }
      continue;
    }
    double g = got.as_double(i), w = want.as_double(i);
    bool equal = g == w || (std::isnan(g) && std::isnan(w)) || std::fabs(g - w) <= absolute + relative * std::fabs(w);
    if (!equal) return ::testing::AssertionFailure() << "element " << i << ": " << g << " != " << w;
  }
  return ::testing::AssertionSuccess();
}

inline std::vector<Tensor> random_inputs(const Program& program, const std::vector<int64_t>& symbols, unsigned seed,
                                         double low = -2, double high = 2) {
  std::mt19937 random(seed);
  std::unordered_map<const expr::Variable*, int64_t> values;
  for (size_t i = 0; i < symbols.size(); ++i) values[program.symbols[i].get()] = symbols[i];
  std::vector<Tensor> inputs;
  for (const auto& b : program.inputs) {
    inputs.push_back(random_tensor(b->dtype, evaluate_dims(b->dims, values), random, low, high));
  }
  return inputs;
}

// Lowers with the named family at each of its points and compares with the interpreter. Kernels for other targets than
// the host run on the host: a Lane loop is a serial loop there.
inline void expect_matches(const char* family_name, const Problem& problem, const std::vector<Tensor>& inputs,
                           const std::vector<int64_t>& symbols, double relative, double absolute,
                           const tensor::Target& target = cpu::host_target()) {
  const sketch::Family* family = sketch::family_of(family_name);
  ASSERT_NE(family, nullptr);
  std::string why;
  auto proposals = family->propose(problem, target, &why);
  ASSERT_FALSE(proposals.empty()) << family_name << " refuses: " << why;
  std::vector<Tensor> want = tensor::interpret(problem.program, inputs, symbols);
  for (const auto& proposal : proposals) {
    std::string point;
    for (const auto& [name, value] : proposal.point) point += name + "=" + std::to_string(value) + " ";
    SCOPED_TRACE(std::string(family_name) + " " + point);
    auto lowered = family->lower(problem, proposal.point, target);
    if (auto* refusal = std::get_if<sketch::Refusal>(&lowered)) FAIL() << refusal->reason;
    const Lowered& kernels = std::get<Lowered>(lowered);
    bool host = target.kind == tensor::TargetKind::Host;
    Runner runner(problem, kernels, host ? target : cpu::host_target());
    RunResult got = runner.run(inputs, symbols);
    ASSERT_EQ(got.code, 0);
    for (size_t i = 0; i < want.size(); ++i) {
      EXPECT_TRUE(close(got.outputs[i], want[i], relative, absolute)) << "output " << i << "\n"
                                                                      << tensor::to_string(kernels.launches[0].body);
    }
  }
}

}  // namespace sardonyx::testing
