// Operators whose elements steer what is computed: divisors, shifts, exponents, bounds, scales, update counts; and the
// values that conversions have no place for.
#include "tests/hostile/row.h"

namespace sardonyx::hostile {

using ops::bools;
using ops::f32;
using ops::ramp;

namespace {

const std::vector<DType> integers = {DType::I8, DType::I16, DType::I32, DType::I64,
                                     DType::U8, DType::U16, DType::U32, DType::U64};

int64_t least_of(DType type) {
  return is_signed(type) ? int64_t(uint64_t{1} << 63) >> (64 - 8 * int64_t(size_of(type))) : 0;
}

std::vector<Row> divisions() {
  std::vector<Row> rows;
  for (DType type : integers)
    for (const char* op : {"Div", "Mod"}) {
      const int64_t low = least_of(type);
      rows.push_back(
          {.test = {.op = op, .opset = 14, .inputs = {of(type, {2}, {low, 7}), of(type, {2}, {1, 1})}},
           .control = 1,
           .values = fails({of(type, {2}, {0, 1}), of(type, {2}, {1, 0}), of(type, {1}, {0}), of(type, {}, {0})}) +
                     agrees({of(type, {2}, {-1, -1}), of(type, {2}, {low, low}), of(type, {1}, {-1})}),
           .opencl = type == DType::I32 || type == DType::I64});
    }
  for (DType type : {DType::I32, DType::I64})
    rows.push_back(
        {.test = {.op = "Mod",
                  .opset = 13,
                  .inputs = {of(type, {2}, {least_of(type), 7}), of(type, {2}, {1, 1})},
                  .attributes = {{"fmod", int64_t{1}}}},
         .control = 1,
         .values = fails({of(type, {2}, {0, 1})}) + gives(of(type, {2}, {-1, -1}), {of(type, {2}, {0, 0})})});

  rows.push_back({.test = {.op = "Mod",
                           .opset = 13,
                           .inputs = {f32({2}, {-5, 5}), f32({2}, {3, 3})},
                           .attributes = {{"fmod", int64_t{1}}}},
                  .control = 1,
                  .values = agrees(each_real(wild, {2})) + gives(f32({2}, {0, 0}), {f32({2}, {nan, nan})})});
  rows.push_back(
      {.test = {.op = "Div", .opset = 14, .inputs = {f32({3}, {-5, 0, 5}), f32({3}, {3, 3, 3})}},
       .control = 1,
       .values = agrees(each_real(wild, {3})) + gives(f32({3}, {0, 0, 0}), {f32({3}, {-infinity, nan, infinity})})});
  // Divisors that no kernel reads from memory: counted.
  rows.push_back({.test = {.op = "Div", .inputs = {ints({7}), scalar(0)}},
                  .control = 1,
                  .values = fails({scalar(1), scalar(3)}),
                  .build =
                      [](Builder& b, const Values& v) {
                        return Values{b.div(v[0], b.iota(DType::I64, b.values_of(v[1], {0, INT64_MAX, 1}), 0))};
                      },
                  .symbolic = false});
  return rows;
}

std::vector<Row> shifts_and_powers() {
  std::vector<Row> rows;
  for (DType type : {DType::U8, DType::U16, DType::U32, DType::U64})
    for (const char* direction : {"LEFT", "RIGHT"}) {
      const int64_t width = 8 * int64_t(size_of(type));
      Row row{.test = {.op = "BitShift",
                       .opset = 11,
                       .inputs = {of(type, {2}, {-1, 1}), of(type, {2}, {1, 1})},
                       .attributes = {{"direction", std::string(direction)}}},
              .control = 1,
              .opencl = true};
      row.values = agrees({of(type, {2}, {width, width}), of(type, {2}, {width - 1, 255}), of(type, {2}, {-1, -1})});
      rows.push_back(row);
      row.control = 0;
      row.values = agrees({of(type, {2}, {0, -1})});
      rows.push_back(row);
    }
  for (DType type : {DType::I32, DType::I64})
    rows.push_back(
        {.test = {.op = "Pow", .opset = 15, .inputs = {of(type, {3}, {-2, 0, 1}), of(type, {3}, {2, 2, 2})}},
         .control = 1,
         .values = agrees({of(type, {3}, {64, 64, 64}), of(type, {3}, {63, INT32_MAX, INT32_MAX}),
                           of(type, {3}, {0, 0, 0})}) +
                   agrees({of(type, {3}, {-1, 2, -1}), of(type, {3}, {2, 2, -5}), of(type, {3}, {-1, -1, -1}),
                           of(type, {3}, {least_of(type), 1, least_of(type)})})});
  rows.push_back({.test = {.op = "Pow", .opset = 15, .inputs = {f32({3}, {-2, 0, 2}), f32({3}, {2, 2, 2})}},
                  .control = 1,
                  .values = agrees(each_real(wild, {3})) + agrees({f32({3}, {0.5, -1, 0.5})})});
  rows.push_back({.test = {.op = "Pow", .opset = 15, .inputs = {of(DType::I32, {3}, {-2, 0, 2}), f32({3}, {2, 2, 2})}},
                  .control = 1,
                  .values = agrees({f32({3}, {0.5, 0, 0.5}), f32({3}, {-1, 1, -1})})});
  return rows;
}

std::vector<Row> conversions() {
  std::vector<Row> rows;
  const std::vector<double> beyond = {nan,    infinity, -infinity, 1e30, -1e30, 9.3e18, -9.3e18,
                                      1.9e19, 4.3e9,    -2.2e9,    300,  -300,  1e-42};
  for (DType to : integers) {
    // What a float beyond the type becomes is not defined; only that nothing breaks.
    rows.push_back(
        {.test = {.op = "Cast", .opset = 13, .inputs = {f32({3}, {1, 2, 3})}, .attributes = {{"to", int64_t(to)}}},
         .values = agrees(each_real(beyond, {3})),
         .opencl = to == DType::I32});
    rows.push_back(
        {.test = {.op = "CastLike", .opset = 19, .inputs = {ops::make(DType::F64, {2}, {1, 2}), zeros(to, {1})}},
         .values = agrees(each_real(beyond, {2}, DType::F64))});
  }
  for (const char* op : {"Ceil", "Floor", "Round", "Sign", "Sqrt", "Log", "IsInf", "IsNaN", "Erf", "Softplus"})
    rows.push_back(
        {.test = {.op = op, .opset = 20, .inputs = {f32({3}, {1, 2, 3})}}, .values = agrees(each_real(wild, {3}))});
  for (const char* op : {"ArgMax", "ArgMin"})
    rows.push_back({.test = {.op = op, .opset = 13, .inputs = {f32({3}, {1, 2, 3})}},
                    .values = agrees(each_real(wild, {3})) +
                              agrees({f32({3}, {1, nan, 3}), f32({3}, {-infinity, -infinity, -infinity})}) +
                              agrees({zeros(DType::F32, {0})})});
  for (const char* op : {"ReduceMax", "ReduceMin", "ReduceMean", "ReduceLogSumExp", "Softmax", "LogSoftmax", "Hardmax"})
    rows.push_back({.test = {.op = op, .opset = 18, .inputs = {f32({3}, {1, 2, 3})}},
                    .values = agrees(each_real(wild, {3})) + agrees({f32({3}, {1, nan, 3}), zeros(DType::F32, {0})})});
  for (int control : {1, 2})
    rows.push_back({.test = {.op = "Clip", .opset = 13, .inputs = {f32({3}, {1, 2, 3}), f32({}, {2}), f32({}, {2.5})}},
                    .control = control,
                    .values = agrees(each_real(wild, {})) + fails({f32({2}, {1, 2}), zeros(DType::F32, {0})})});
  rows.push_back({.test = {.op = "Clip", .opset = 13, .inputs = {ints({1, 2, 3}), scalar(2), scalar(3)}},
                  .control = 1,
                  .values = gives(scalar(most), {ints({3, 3, 3})}) + gives(scalar(least), {ints({1, 2, 3})})});
  return rows;
}

// Bytes that are neither 0 nor 1, which a host may bind as booleans.
std::vector<Row> booleans() {
  Tensor odd(DType::Bool, {3});
  const uint8_t bytes[] = {2, 0, 255};
  std::copy(std::begin(bytes), std::end(bytes), odd.raw());
  const Tensor yes_no_yes = bools({3}, {1, 0, 1});
  std::vector<Row> rows;
  for (const char* op : {"And", "Or", "Xor", "Equal"})
    rows.push_back({.test = {.op = op, .opset = 13, .inputs = {yes_no_yes, yes_no_yes}},
                    .values = gives(odd, {std::string(op) == "Xor"     ? bools({3}, {0, 0, 0})
                                          : std::string(op) == "Equal" ? bools({3}, {1, 1, 1})
                                                                       : yes_no_yes})});
  rows.push_back({.test = {.op = "Not", .opset = 13, .inputs = {yes_no_yes}},
                  .values = gives(odd, {bools({3}, {0, 1, 0})}),
                  .opencl = true});
  rows.push_back(
      {.test = {.op = "Cast", .opset = 13, .inputs = {yes_no_yes}, .attributes = {{"to", int64_t(DType::F32)}}},
       .values = gives(odd, {f32({3}, {1, 0, 1})}),
       .opencl = true});
  rows.push_back({.test = {.op = "NonZero", .opset = 13, .inputs = {yes_no_yes}},
                  .values = gives(odd, {ints({0, 2}).reshaped({1, 2})})});
  rows.push_back({.test = {.op = "Where", .opset = 16, .inputs = {yes_no_yes, ramp({3}), ramp({3}, 5)}},
                  .values = gives(odd, {f32({3}, {0, 6, 2})}),
                  .opencl = true});
  rows.push_back({.test = {.op = "Compress", .opset = 11, .inputs = {ramp({3}), yes_no_yes}},
                  .control = 1,
                  .values = gives(odd, {f32({2}, {0, 2})})});
  return rows;
}

std::vector<Row> scales() {
  std::vector<Row> rows;
  const Tensor x = f32({4}, {-1, 0, 1, 300}), zero = of(DType::U8, {}, {3});
  rows.push_back({.test = {.op = "QuantizeLinear", .opset = 13, .inputs = {x, f32({}, {1}), zero}},
                  .control = 0,
                  .values = agrees(each_real(wild, {4}))});
  rows.push_back({.test = {.op = "QuantizeLinear", .opset = 13, .inputs = {x, f32({}, {1}), zero}},
                  .control = 1,
                  .values = agrees(each_real(wild, {})) + agrees(each_real({0.0, -1.0}, {})) +
                            fails({f32({3}, {1, 1, 1}), zeros(DType::F32, {0})})});
  rows.push_back({.test = {.op = "QuantizeLinear", .opset = 13, .inputs = {x, f32({}, {1}), zero}},
                  .control = 2,
                  .values = agrees(each({0, 255}, {}, DType::U8)) + fails({of(DType::U8, {3}, {0, 0, 0})})});
  const Tensor bytes = of(DType::U8, {4}, {0, 1, 2, 255});
  rows.push_back(
      {.test = {.op = "DequantizeLinear", .opset = 13, .inputs = {bytes, f32({}, {1}), zero}},
       .control = 1,
       .values = agrees(each_real(wild, {})) + agrees(each_real({0.0, -1.0}, {})) + fails({f32({3}, {1, 1, 1})})});
  rows.push_back({.test = {.op = "DequantizeLinear", .opset = 13, .inputs = {bytes, f32({}, {1}), zero}},
                  .control = 2,
                  .values = agrees(each({0, 255}, {}, DType::U8)) + fails({of(DType::U8, {3}, {0, 0, 0})})});
  // Blocks of two: the scales have as many rows as there are blocks.
  for (const char* op : {"QuantizeLinear", "DequantizeLinear"}) {
    const bool to = std::string(op) == "QuantizeLinear";
    rows.push_back({.test = {.op = op,
                             .opset = 21,
                             .inputs = {to ? ramp({5, 2}) : of(DType::I8, {5, 2}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}),
                                        ramp({3, 2}, 1), zeros(DType::I8, {3, 2})},
                             .attributes = {{"axis", int64_t{0}}, {"block_size", int64_t{2}}}},
                    .control = 1,
                    .values = agrees({ramp({3, 1}, 1)}) +
                              fails({ramp({2, 2}, 1), ramp({6, 2}, 1), ramp({3}, 1), zeros(DType::F32, {0, 2})}) +
                              agrees(each_real(wild, {3, 2}))});
  }
  rows.push_back(
      {.test = {.op = "DynamicQuantizeLinear", .opset = 11, .inputs = {x}, .outputs = 3},
       .values = agrees(each_real(wild, {4})) +
                 agrees({f32({4}, {nan, 1, 2, 3}), f32({4}, {-infinity, 1, 2, infinity}), zeros(DType::F32, {4})})});
  return rows;
}

std::vector<Row> optimizers() {
  std::vector<Row> rows;
  const Tensor rate = f32({}, {0.1}), count = scalar(0), x = ramp({3}), gradient = ramp({3}, 1);
  const std::vector<Tensor> counts = each({-1, most, least, 1}, {});
  const Attributes momentum = {
      {"alpha", 0.9}, {"beta", 0.9}, {"mode", std::string("standard")}, {"norm_coefficient", 0.0}};
  const auto row = [&](const char* op, std::vector<Tensor> states, const Attributes& attributes) {
    Row made{.test = {.op = op,
                      .opset = 1,
                      .inputs = {rate, count, x, gradient},
                      .attributes = attributes,
                      .domain = "ai.onnx.preview.training"},
             .control = 1};
    made.test.inputs.insert(made.test.inputs.end(), states.begin(), states.end());
    made.test.outputs = int(states.size()) + 1;
    made.values = agrees(counts) + fails({ints({1, 2}), zeros(DType::I64, {0})});
    return made;
  };
  rows.push_back(row("Adagrad", {ramp({3}, 1)}, {}));
  rows.push_back(row("Adam", {ramp({3}, 1), ramp({3}, 1)}, {}));
  rows.push_back(row("Momentum", {ramp({3}, 1)}, momentum));
  return rows;
}

}  // namespace

std::vector<Row> arithmetic_rows() {
  std::vector<Row> all;
  for (const auto& part : {divisions(), shifts_and_powers(), conversions(), booleans(), scales(), optimizers()})
    all.insert(all.end(), part.begin(), part.end());
  return all;
}

}  // namespace sardonyx::hostile
