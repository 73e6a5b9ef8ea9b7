#include "compiler/ops/onnx/random_numbers.h"

#include <atomic>
#include <cmath>
#include <cstring>
#include <random>

#include "compiler/ops/host_functions.h"

namespace sardonyx::ops {
namespace {

using graph::BinaryFunction;
using graph::UnaryFunction;

// The generator is SplitMix64 (Steele, Lea, Flood 2014): a Weyl sequence whose members are mixed.
constexpr uint64_t increment = 0x9E3779B97F4A7C15, first_factor = 0xBF58476D1CE4E5B9,
                   second_factor = 0x94D049BB133111EB;

uint64_t mixed(uint64_t x) {
  x = (x ^ (x >> 30)) * first_factor;
  x = (x ^ (x >> 27)) * second_factor;
  return x ^ (x >> 31);
}

Tensor key_tensor(uint64_t key) { return Tensor::of<uint64_t>(DType::U64, {}, std::span<const uint64_t>(&key, 1)); }

// A key that no other call in this process has got.
std::vector<Tensor> fresh_key(const std::string&, std::span<const Tensor>) {
  static const uint64_t start = [] {
    std::random_device device;
    return uint64_t(device()) << 32 | device();
  }();
  static std::atomic<uint64_t> calls{0};
  return {key_tensor(mixed(start + increment * ++calls))};
}

const HostFunctionEntry entry{{.name = "random_key", .run = fresh_key}};

Value* word(Builder& b, uint64_t value) { return b.constant(key_tensor(value)); }

Value* xor_shifted(Builder& b, Value* x, uint64_t bits) {
  return b.binary(BinaryFunction::Xor, x, b.binary(BinaryFunction::ShiftRight, x, word(b, bits)));
}

// 64 random bits per element.
Value* random_bits(Builder& b, Value* key, const std::vector<Expr>& dims, int sequence) {
  Expr count = 1;
  for (const Expr& dim : dims) count = count * dim;
  Value* position = b.cast(b.reshape(b.iota(DType::I64, {count}, 0), dims), DType::U64);
  Value* start = b.binary(BinaryFunction::Xor, key, word(b, mixed(uint64_t(sequence))));
  Value* x = b.add(b.mul(b.add(position, word(b, 1)), word(b, increment)), start);
  x = b.mul(xor_shifted(b, x, 30), word(b, first_factor));
  x = b.mul(xor_shifted(b, x, 27), word(b, second_factor));
  return xor_shifted(b, x, 31);
}

// The type that numbers are made in.
DType working(DType dtype) { return dtype == DType::F64 ? DType::F64 : DType::F32; }

}  // namespace

Value* random_key(Lowering& in, bool integer_seed) {
  auto& b = in.builder();
  if (!in.has("seed")) return b.host_call("random_key", "", {}, {{DType::U64, {}, {}}})[0];
  uint64_t seed = 0;
  if (integer_seed) {
    seed = uint64_t(in.attr_int("seed"));
  } else {
    const double value = in.attr_float("seed");
    std::memcpy(&seed, &value, sizeof(seed));
  }
  return word(b, mixed(seed + increment));
}

Value* random_uniform(Builder& builder, Value* key, const std::vector<Expr>& dims, DType dtype, int sequence) {
  const DType wide = working(dtype);
  const int digits = wide == DType::F64 ? 53 : 24;  // all that the type can tell apart below 1
  Value* bits = random_bits(builder, key, dims, sequence);
  bits = builder.binary(BinaryFunction::ShiftRight, bits, word(builder, uint64_t(64 - digits)));
  Value* result = builder.mul(builder.cast(bits, wide), builder.scalar(wide, std::ldexp(1, -digits)));
  if (wide == dtype) return result;
  // Rounding to a narrow type must not reach 1.
  const double below_one = dtype == DType::F16 ? 1 - std::ldexp(1, -11) : 1 - std::ldexp(1, -8);
  return builder.cast(builder.minimum(result, builder.scalar(wide, below_one)), dtype);
}

// Box and Muller: a radius and an angle.
Value* random_normal(Builder& builder, Value* key, const std::vector<Expr>& dims, DType dtype) {
  const DType wide = working(dtype);
  const auto number = [&](double value) { return builder.scalar(wide, value); };
  Value* radius = builder.sub(number(1), random_uniform(builder, key, dims, wide, 0));  // in (0, 1]
  radius = builder.sqrt(builder.mul(builder.unary(UnaryFunction::Log, radius), number(-2)));
  Value* angle = builder.mul(random_uniform(builder, key, dims, wide, 1), number(2 * M_PI));
  return builder.cast(builder.mul(radius, builder.unary(UnaryFunction::Cos, angle)), dtype);
}

}  // namespace sardonyx::ops
