// Products of words at every point that the families propose: of bytes exactly, over their whole range, of bf16 within
// what the order of a sum changes.
#include "compiler/sketch/word_products.h"
#include "tests/compiler/sketch/programs.h"

namespace sardonyx::testing {
namespace {

using tensor::Target;

std::vector<Tensor> random_bytes(const Program& program, const std::vector<int64_t>& symbols) {
  std::mt19937 random(3);
  std::vector<Tensor> inputs = random_inputs(program, symbols, 3);
  for (Tensor& tensor : inputs)
    for (int64_t i = 0; i < tensor.bytes() && size_of(tensor.dtype()) == 1; ++i) tensor.raw()[i] = uint8_t(random());
  return inputs;
}

Expr widened(const Expr& e) { return expr::cast(e, DType::I32); }

Expr in_f32(const Expr& e) { return expr::cast(e, DType::F32); }

// U8 [m, k] by I8 [k, n] or [n, k], with a shift per column and, at the end, a quarter of it as U8.
Problem byte_product(const Expr& m, int64_t n, int64_t k, bool transposed, bool requantized) {
  ProgramBuilder b;
  Term x = b.input("x", DType::U8, {m, k}), shift = b.input("shift", DType::I32, {n});
  Term w = b.input("w", DType::I8, transposed ? std::vector<Expr>{n, k} : std::vector<Expr>{k, n});
  Term sums = b.reduce("sums", Reduce::Sum, DType::I32, {m, n}, {k}, [=](const Index& o, const Index& r) {
    return widened(x.at({o[0], r[0]})) * widened(w.at(transposed ? Index{o[1], r[0]} : Index{r[0], o[1]}));
  });
  if (!requantized) {
    b.output(sums);
  } else {
    b.output({DType::U8, {m, n}, [=](const Index& i) {
                Expr v = expr::cast(sums.at(i) + shift.at({i[1]}), DType::F32) * expr::imm(0.001, DType::F32);
                v = expr::call(Function::Round, {v}) + expr::imm(100, DType::F32);
                v = expr::min(expr::max(v, expr::imm(0, DType::F32)), expr::imm(255, DType::F32));
                return expr::cast(v, DType::U8);
              }});
  }
  Problem problem{b.finish(), {}};
  for (const auto& input : problem.program.inputs) problem.constant.push_back(input->name != "x");
  return problem;
}

bool has_byte_products() { return cpu::host_target().byte_products; }

bool uses(const char* function, const char* family, const Problem& problem) {
  const auto* found = sketch::family_of(family);
  const auto proposals = found->propose(problem, cpu::host_target(), nullptr);
  if (proposals.empty()) return false;
  const auto lowered = found->lower(problem, proposals[0].point, cpu::host_target());
  const auto& body = std::get<Lowered>(lowered).launches[0].body;
  return tensor::to_string(body).find(function) != std::string::npos;
}
bool uses_quads(const char* family, const Problem& problem) { return uses("dot4", family, problem); }

TEST(WordProducts, Products) {
  for (bool transposed : {false, true})
    for (bool requantized : {false, true}) {
      const int64_t shapes[][3] = {{1, 40, 32}, {5, 17, 8}, {14, 32, 20}, {29, 70, 36}, {64, 48, 400}, {3, 200, 4}};
      for (auto& s : shapes) {
        const Problem problem = byte_product(s[0], s[1], s[2], transposed, requantized);
        expect_matches("contraction", problem, random_bytes(problem.program, {}), {}, 0, 0);
        EXPECT_EQ(uses_quads("contraction", problem), has_byte_products());
      }
    }
}

TEST(WordProducts, SymbolicRows) {
  auto m = expr::make_var("M", {1, INT64_MAX, 1});
  Problem problem = byte_product(Expr(m), 50, 64, false, true);
  for (int64_t rows : {1, 3, 14, 15, 100})
    expect_matches("contraction", problem, random_bytes(problem.program, {rows}), {rows}, 0, 0);
}

TEST(WordProducts, ADepthThatIsNoMultipleOfFourStaysBytes) {
  const Problem problem = byte_product(9, 33, 30, false, false);
  EXPECT_FALSE(uses_quads("contraction", problem));
  expect_matches("contraction", problem, random_bytes(problem.program, {}), {}, 0, 0);
}

// Channels in blocks of `block`, as convolutions read them; beyond `channels` they are zero. Bytes into I32, or bf16
// into F32.
Problem narrow_convolution(DType sum, int64_t channels, int64_t block, int64_t outputs, int64_t size, int64_t kernel,
                           int64_t pad, int64_t stride) {
  const bool bytes = sum == DType::I32;
  const auto widened = [=](const Expr& e) { return expr::cast(e, sum); };
  ProgramBuilder b;
  const int64_t out = (size + 2 * pad - kernel) / stride + 1, blocks = (channels + block - 1) / block;
  Term x = b.input("x", bytes ? DType::U8 : DType::BF16, {blocks, size, size, block}),
       w = b.input("w", bytes ? DType::I8 : DType::BF16, {outputs, channels, kernel, kernel});
  Term sums = b.reduce(
      "sums", Reduce::Sum, sum, {outputs, out, out}, {channels, kernel, kernel}, [=](const Index& o, const Index& r) {
        const Expr y = o[1] * Expr(stride) + r[1] - Expr(pad), z = o[2] * Expr(stride) + r[2] - Expr(pad);
        const Expr value = widened(x.at({r[0] / Expr(block), y, z, r[0] % Expr(block)}));
        const Expr inside = Expr(0) <= y && y < Expr(size) && Expr(0) <= z && z < Expr(size);
        const Expr padded = pad ? expr::select(inside, value, expr::imm(0, sum)) : value;
        return padded * widened(w.at({o[0], r[0], r[1], r[2]}));
      });
  b.output({sum, {(outputs + 15) / 16, out, out, 16}, [=](const Index& i) {
              const Expr channel = i[0] * Expr(16) + i[3];
              const Expr value = sums.at({channel, i[1], i[2]});
              return outputs % 16 ? expr::select(channel < Expr(outputs), value, expr::imm(0, sum)) : value;
            }});
  return {b.finish(), {false, true}};
}

TEST(WordProducts, Convolutions) {
  const int64_t cases[][7] = {{16, 16, 32, 8, 3, 1, 1}, {64, 16, 48, 7, 3, 1, 2}, {24, 16, 16, 6, 1, 0, 1},
                              {3, 4, 32, 17, 3, 1, 2},  {3, 4, 64, 20, 7, 3, 2},  {32, 16, 64, 15, 3, 0, 1}};
  for (auto& c : cases) {
    const Problem problem = narrow_convolution(DType::I32, c[0], c[1], c[2], c[3], c[4], c[5], c[6]);
    auto inputs = random_bytes(problem.program, {});
    for (int64_t i = 0; i < inputs[0].count(); ++i)
      if (i / (c[1] * c[3] * c[3]) * c[1] + i % c[1] >= c[0]) inputs[0].raw()[i] = 0;
    const char* family = c[4] == 1 ? "contraction" : "window";
    expect_matches(family, problem, inputs, {}, 0, 0);
    EXPECT_EQ(uses_quads(family, problem), has_byte_products());
  }
}

// BF16 [m, k] by constant BF16 [k, n] or [n, k], and one step of an epilogue.
Problem bf16_product(const Expr& m, int64_t n, int64_t k, bool transposed) {
  ProgramBuilder b;
  Term x = b.input("x", DType::BF16, {m, k}), bias = b.input("bias", DType::F32, {n});
  Term w = b.input("w", DType::BF16, transposed ? std::vector<Expr>{n, k} : std::vector<Expr>{k, n});
  Term sums = b.reduce("sums", Reduce::Sum, DType::F32, {m, n}, {k}, [=](const Index& o, const Index& r) {
    return in_f32(x.at({o[0], r[0]})) * in_f32(w.at(transposed ? Index{o[1], r[0]} : Index{r[0], o[1]}));
  });
  b.output({DType::F32, {m, n}, [=](const Index& i) { return sums.at(i) + bias.at({i[1]}); }});
  return {b.finish(), {false, false, true}};
}

bool has_bf16_products() { return cpu::host_target().bf16_products; }

TEST(WordProducts, OfBf16) {
  const int64_t shapes[][3] = {{1, 40, 32}, {5, 17, 8}, {14, 32, 22}, {29, 70, 36}, {64, 48, 400}, {3, 200, 2}};
  for (bool transposed : {false, true})
    for (auto& s : shapes) {
      const Problem problem = bf16_product(s[0], s[1], s[2], transposed);
      expect_matches("contraction", problem, random_inputs(problem.program, {}, 3), {}, 1e-5, 1e-4);
      EXPECT_EQ(uses("dot2", "contraction", problem), has_bf16_products());
    }
  auto m = expr::make_var("M", {1, INT64_MAX, 1});
  const Problem problem = bf16_product(Expr(m), 50, 64, false);
  for (int64_t rows : {1, 3, 14, 15, 100})
    expect_matches("contraction", problem, random_inputs(problem.program, {rows}, 3), {rows}, 1e-5, 1e-4);
}

TEST(WordProducts, AnOddDepthStaysBf16) {
  const Problem problem = bf16_product(9, 33, 31, false);
  EXPECT_FALSE(uses("dot2", "contraction", problem));
  expect_matches("contraction", problem, random_inputs(problem.program, {}, 3), {}, 1e-5, 1e-4);
}

TEST(WordProducts, ConvolutionsOfBf16) {
  const int64_t cases[][7] = {
      {16, 16, 32, 8, 3, 1, 1}, {64, 16, 48, 7, 3, 1, 2}, {32, 16, 16, 6, 1, 0, 1}, {32, 16, 64, 15, 3, 0, 1}};
  for (auto& c : cases) {
    const Problem problem = narrow_convolution(DType::F32, c[0], c[1], c[2], c[3], c[4], c[5], c[6]);
    const char* family = c[4] == 1 ? "contraction" : "window";
    expect_matches(family, problem, random_inputs(problem.program, {}, 3), {}, 1e-5, 1e-4);
    EXPECT_EQ(uses("dot2", family, problem), has_bf16_products());
  }
}

TEST(WordProducts, WordsHoldFourNeighbours) {
  Tensor bytes(DType::I8, {2, 6, 3});
  for (int64_t i = 0; i < bytes.count(); ++i) bytes.raw()[i] = uint8_t(i);
  const Tensor words = sketch::words_along(bytes, 1);
  ASSERT_EQ(words.dims(), (Dims{2, 2, 3}));
  EXPECT_EQ(words.as_int(0), 0x09060300);
  EXPECT_EQ(words.as_int(4), 0x0000100d);  // elements 4 and 5 of [0, :, 1]
  EXPECT_EQ(words.as_int(11), 0x00002320);
}

TEST(WordProducts, WordsHoldTwoNeighbours) {
  Tensor halves(DType::BF16, {3, 2});
  for (int64_t i = 0; i < halves.count(); ++i) halves.data<uint16_t>()[i] = uint16_t(0x3f80 + i);
  const Tensor words = sketch::words_along(halves, 0);
  ASSERT_EQ(words.dims(), (Dims{2, 2}));
  const uint32_t expected[] = {0x3f823f80, 0x3f833f81, 0x00003f84, 0x00003f85};
  EXPECT_EQ(std::memcmp(words.raw(), expected, sizeof expected), 0);
}

}  // namespace
}  // namespace sardonyx::testing
