// Convolutions and products of normal numbers by weights of He's deviation.
#include <cmath>

#include "tests/accuracy/compare.h"

namespace sardonyx::accuracy {

namespace {

// 3 x 3 over images of 21 x 23: whole tiles and those at every edge, of 4 x 4 and of 2 x 2 pixels, padded or not.
Build convolution(int64_t inputs, int64_t outputs, int64_t stride = 1) {
  return [=](Maker& m) {
    graph::ConvAttrs attrs;
    attrs.strides = {stride, stride};
    attrs.dilations = {1, 1};
    attrs.pads.assign(4, 1);
    Value* x = m.input({1, inputs, 21, 23});
    attrs.dtype = x->type.dtype;
    return m.b.conv(x, m.constant({outputs, inputs, 3, 3}, std::sqrt(2 / (9.0 * double(inputs)))), attrs);
  };
}

Build product(int64_t rows, int64_t depth, int64_t columns, bool constant = true) {
  return [=](Maker& m) {
    const double deviation = std::sqrt(2 / double(depth));
    Value* x = m.input({rows, depth});
    Value* w = constant ? m.constant({depth, columns}, deviation) : m.input({depth, columns}, deviation);
    return m.b.matmul(x, w, false, false, x->type.dtype);
  };
}

struct Convolution {
  const char* family;
  Forced forced;
  double bounds[2];  // of 64 and of 512 input channels
};
const Convolution convolutions[] = {
    {"Convolution 3 x 3, Winograd F(4 x 4)",
     {"codegen.winograd", {{"outputs", 4}, {"nv", 1}, {"tiles", 14}, {"splits", 1}}},
     {2.1e-6, 6.2e-6}},
    {"Convolution 3 x 3, Winograd F(2 x 2)",
     {"codegen.winograd", {{"outputs", 2}, {"nv", 1}, {"tiles", 14}, {"splits", 1}}},
     {5.5e-7, 1.4e-6}},
    {"Convolution 3 x 3, direct", {"codegen.window"}, {1.3e-6, 3.5e-6}},
    {"Convolution 3 x 3, oneDNN", {"onednn.conv"}, {4.5e-7, 4.5e-7}},
};

constexpr const char* fast = "With fast_math: operands rounded to bf16";

struct Product {
  const char* family;
  const char* what;
  Forced forced;
  double bound;
  Build build;
};
const Product products[] = {
    {"Product", "64 x 768 by constant 768 x 64", {"codegen.contraction"}, 1e-6, product(64, 768, 64)},
    {"Product", "1 x 4096 by constant 4096 x 64", {"codegen.contraction"}, 2.6e-6, product(1, 4096, 64)},
    {"Product", "33 x 768 by 768 x 50", {"codegen.contraction"}, 1.3e-6, product(33, 768, 50, false)},
    {"Product, oneDNN", "64 x 768 by constant 768 x 64", {"onednn.matmul"}, 8e-7, product(64, 768, 64)},
    {fast, "product, 64 x 768 by constant 768 x 64", {"codegen.contraction", {}, true}, 4e-3, product(64, 768, 64)},
    {fast, "product, 1 x 4096 by constant 4096 x 64", {"codegen.contraction", {}, true}, 4e-3, product(1, 4096, 64)},
    {fast, "convolution 3 x 3, 64 channels to 32", {"codegen.window", {}, true}, 4e-3, convolution(64, 32, 2)},
};

}  // namespace

std::vector<Row> contraction_rows() {
  std::vector<Row> rows;
  for (const Convolution& c : convolutions)
    for (int i = 0; i < 2; ++i) {
      const int64_t inputs = i == 0 ? 64 : 512;
      rows.push_back({c.family, str(inputs, " channels to 32"), Measure::Largest, c.bounds[i],
                      [&c, inputs] { return error_of(convolution(inputs, 32), Measure::Largest, c.forced); }});
    }
  for (const Product& p : products)
    rows.push_back(
        {p.family, p.what, Measure::Largest, p.bound, [&p] { return error_of(p.build, Measure::Largest, p.forced); }});
  return rows;
}

}  // namespace sardonyx::accuracy
