// Sequences and strings: positions, lengths of splits.
#include "tests/hostile/row.h"

namespace sardonyx::hostile {

using ops::f32;
using ops::ramp;

namespace {

Values lower(Builder& b, const std::string& op, const Values& operands, const Attributes& attributes = {}) {
  const ops::OnnxOpVersion version = ops::find_onnx_op("", op, 18);
  ops::Lowering lowering(b, "node", op, version.since, operands, attributes, 1);
  return version.lower(lowering);
}

// Three items of two elements each, made of the rows of x.
Value* items_of(Builder& b, Value* x) { return lower(b, "SplitToSequence", {x}, {{"keepdims", int64_t{0}}})[0]; }

Values stacked(Builder& b, Value* sequence) {
  return {lower(b, "SequenceLength", {sequence})[0],
          lower(b, "ConcatFromSequence", {sequence}, {{"axis", int64_t{0}}, {"new_axis", int64_t{1}}})[0]};
}

}  // namespace

std::vector<Row> container_rows() {
  std::vector<Row> rows;
  const Tensor x = ramp({3, 2}), item = f32({2}, {7, 8});
  const std::vector<Tensor> positions = each({3, -4, most, least, int64_t{1} << 32}, {});
  const std::vector<Tensor> odd = {ints({0, 0}), zeros(DType::I64, {0})};
  rows.push_back({.test = {.op = "SequenceAt", .inputs = {x, scalar(1)}},
                  .control = 1,
                  .values = fails(positions) + fails(odd) + gives(scalar(-3), {f32({2}, {0, 1})}) +
                            gives(of(DType::I32, {}, {-1}), {f32({2}, {4, 5})}),
                  .build = [](Builder& b, const Values& v) {
                    return lower(b, "SequenceAt", {items_of(b, v[0]), v[1]});
                  }});
  rows.push_back({.test = {.op = "SequenceErase", .inputs = {x, scalar(1)}},
                  .control = 1,
                  .values = fails(positions) + fails(odd) + gives(scalar(-3), {scalar(2), f32({2, 2}, {2, 3, 4, 5})}),
                  .build = [](Builder& b, const Values& v) {
                    return stacked(b, lower(b, "SequenceErase", {items_of(b, v[0]), v[1]})[0]);
                  }});
  rows.push_back({.test = {.op = "SequenceInsert", .inputs = {x, item, scalar(1)}},
                  .control = 2,
                  .values = fails(each({4, -4, most, least, int64_t{1} << 32}, {})) + fails(odd) +
                            gives(scalar(3), {scalar(4), f32({4, 2}, {0, 1, 2, 3, 4, 5, 7, 8})}),
                  .build = [](Builder& b, const Values& v) {
                    return stacked(b, lower(b, "SequenceInsert", {items_of(b, v[0]), v[1], v[2]})[0]);
                  }});
  rows.push_back({.test = {.op = "SplitToSequence", .inputs = {x, scalar(1)}},
                  .control = 1,
                  .values = fails(each({0, -1, least}, {})) + gives(scalar(most), {scalar(1)}) +
                            gives(scalar(2), {scalar(2)}) +
                            fails({ints({4}), ints({3, -1, 1}), ints({most, most, 5}), ints({most, least, 4}),
                                   ints({-1, 4}), ints({1, 1}), zeros(DType::I64, {0})}) +
                            gives(ints({0, 3, 0}), {scalar(3)}),
                  .build = [](Builder& b, const Values& v) {
                    return lower(b, "SequenceLength", lower(b, "SplitToSequence", {v[0], v[1]}));
                  }});
  return rows;
}

}  // namespace sardonyx::hostile
