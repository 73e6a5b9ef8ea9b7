// Scan: a loop over slices of its scan inputs, whose per-iteration results are stacked.
#include "compiler/expr/simplify.h"
#include "compiler/ops/lowering.h"
#include "compiler/ops/onnx/versions.h"

namespace sardonyx::ops {
namespace {

// Axes and directions of one Scan; all per scan input or per scan output.
struct ScanRule {
  const Subgraph* body = nullptr;
  size_t states = 0;
  std::vector<int64_t> input_axes, output_axes;        // of the stacked tensors, non-negative
  std::vector<int64_t> input_reverse, output_reverse;  // 0 or 1
};

Value* reversed(Builder& b, Value* x, int64_t axis) {
  std::vector<Expr> starts(size_t(x->type.rank()), Expr(0));
  std::vector<int64_t> steps(size_t(x->type.rank()), 1);
  starts[size_t(axis)] = x->type.dims[size_t(axis)] - 1;
  steps[size_t(axis)] = -1;
  return b.slice(x, std::move(starts), x->type.dims, std::move(steps));
}

// x with dim 0 moved to `axis`.
Value* move_front_to(Builder& b, Value* x, int64_t axis) {
  std::vector<int64_t> perm;
  for (int64_t i = 1; i < x->type.rank(); ++i) perm.push_back(i);
  perm.insert(perm.begin() + axis, 0);
  return b.transpose(x, std::move(perm));
}

// `values`: states, then scan inputs. Returns final states, then stacked scan outputs.
std::vector<Value*> scan(Lowering& in, Builder& b, const ScanRule& rule, const std::vector<Value*>& values) {
  std::vector<Value*> states(values.begin(), values.begin() + int64_t(rule.states));
  std::vector<Value*> inputs(values.begin() + int64_t(rule.states), values.end());
  Expr length = inputs[0]->type.dims[size_t(rule.input_axes[0])];
  for (size_t i = 0; i < inputs.size(); ++i) {
    length = b.require_equal(length, inputs[i]->type.dims[size_t(rule.input_axes[i])], "the lengths of scan inputs");
    if (rule.input_reverse[i]) inputs[i] = reversed(b, inputs[i], rule.input_axes[i]);
  }
  std::vector<Value*> results = b.loop(
      b.dims_tensor({length}, {}), nullptr, states,
      [&](Builder& inner, Value* iteration, Value* condition, std::vector<Value*> arguments) {
        for (size_t i = 0; i < inputs.size(); ++i)
          arguments.push_back(inner.gather(inputs[i], iteration, rule.input_axes[i]));
        std::vector<Value*> yielded = rule.body->build(inner, arguments);
        in.require(yielded.size() == rule.states + rule.output_axes.size(), Status::InvalidModel, "the body has ",
                   yielded.size(), " outputs, expected ", rule.states + rule.output_axes.size());
        yielded.insert(yielded.begin(), condition);
        return yielded;
      });
  for (size_t i = 0; i < rule.output_axes.size(); ++i) {
    Value*& stacked = results[rule.states + i];
    if (rule.output_reverse[i]) stacked = reversed(b, stacked, 0);
    stacked = move_front_to(b, stacked, in.axis(rule.output_axes[i], stacked->type.rank()));
  }
  return results;
}

// The body and the counts; `inputs` without a leading operand that is no state.
ScanRule rule_of(Lowering& in, size_t inputs) {
  ScanRule rule;
  rule.body = &in.attr_graph("body");
  int64_t scans = in.attr_int("num_scan_inputs");
  in.require(scans >= 1 && scans <= int64_t(inputs), Status::InvalidModel, "num_scan_inputs is ", scans, " of ", inputs,
             " inputs");
  rule.states = inputs - size_t(scans);
  in.require(rule.body->inputs.size() == inputs, Status::InvalidModel, "the body has ", rule.body->inputs.size(),
             " inputs, expected ", inputs);
  in.require(rule.body->outputs.size() >= rule.states, Status::InvalidModel, "the body has ", rule.body->outputs.size(),
             " outputs for ", rule.states, " states");
  rule.input_axes.assign(size_t(scans), 0);
  rule.input_reverse.assign(size_t(scans), 0);
  rule.output_axes.assign(rule.body->outputs.size() - rule.states, 0);
  rule.output_reverse.assign(rule.output_axes.size(), 0);
  return rule;
}

void read_list(Lowering& in, const char* name, std::vector<int64_t>& list) {
  std::vector<int64_t> given = in.attr_ints(name, list);
  in.require(given.size() == list.size(), Status::InvalidModel, "attribute '", name, "' has ", given.size(),
             " entries, expected ", list.size());
  list = std::move(given);
}

std::vector<Value*> lower(Lowering& in) {
  std::vector<Value*> values;
  for (int i = 0; i < in.inputs(); ++i) values.push_back(in[i]);
  ScanRule rule = rule_of(in, values.size());
  read_list(in, "scan_input_axes", rule.input_axes);
  read_list(in, "scan_input_directions", rule.input_reverse);
  read_list(in, "scan_output_axes", rule.output_axes);
  read_list(in, "scan_output_directions", rule.output_reverse);
  for (size_t i = 0; i < rule.input_axes.size(); ++i)
    rule.input_axes[i] = in.axis(rule.input_axes[i], values[rule.states + i]->type.rank());
  return scan(in, in.builder(), rule, values);
}

// The scan of one batch entry of version 8, whose sequence ends at `length`: what comes behind is not read, and zero in
// the outputs. A reverse scan begins at its last element.
std::vector<Value*> scan_part(Lowering& in, Builder& b, const ScanRule& rule, std::vector<Value*> values,
                              Value* length) {
  const Expr longest = values[rule.states]->type.dims[0];
  const Expr count = b.values_of(length)[0];
  b.check(count >= Expr(0) && count <= longest, Status::MismatchingShape,
          str("node '", in.node(), "' (Scan): a sequence length is negative or beyond the ", expr::to_string(longest),
              " elements of the scan inputs"));
  for (size_t i = rule.states; i < values.size(); ++i) {
    b.require_equal(longest, values[i]->type.dims[0], "the lengths of scan inputs");
    values[i] = b.slice_axis(values[i], 0, 0, count);
  }
  std::vector<Value*> results = scan(in, b, rule, values);
  for (size_t i = rule.states; i < results.size(); ++i) {
    std::vector<Expr> before(results[i]->type.dims.size(), Expr(0)), after = before;
    after[0] = longest - count;
    results[i] = b.pad(results[i], before, after, graph::PadMode::Constant);
  }
  return results;
}

// Version 8 has a batch dim in front of everything: a loop over it around the scan of each item.
std::vector<Value*> lower_batched(Lowering& in) {
  auto& b = in.builder();
  std::vector<Value*> values;
  for (int i = 1; i < in.inputs(); ++i) values.push_back(in[i]);
  ScanRule rule = rule_of(in, values.size());
  read_list(in, "directions", rule.input_reverse);
  for (Value* value : values)
    in.require(value->type.rank() >= 1, Status::InvalidModel, "expected a batch dim, got ",
               graph::to_string(value->type));
  Expr batch = values[0]->type.dims[0];
  for (Value* value : values) batch = b.require_equal(batch, value->type.dims[0], "the batch dims");
  Value* lengths = in.optional(0);
  if (lengths) {
    in.require(lengths->type.dtype == DType::I64 && lengths->type.rank() == 1, Status::InvalidModel,
               "sequence_lens is ", graph::to_string(lengths->type), ", expected i64 of rank 1");
    b.require_equal(batch, lengths->type.dims[0], "the batch dim and the number of sequence lengths");
  }
  return b.loop(b.dims_tensor({batch}, {}), nullptr, {},
                [&](Builder& inner, Value* item, Value* condition, const std::vector<Value*>&) {
                  std::vector<Value*> items;
                  for (Value* value : values) items.push_back(inner.gather(value, item, 0));
                  for (size_t i = rule.states; i < items.size(); ++i)
                    in.require(items[i]->type.rank() >= 1, Status::InvalidModel, "scan input ", i - rule.states,
                               " has no sequence dim");
                  std::vector<Value*> results = lengths
                                                    ? scan_part(in, inner, rule, items, inner.gather(lengths, item, 0))
                                                    : scan(in, inner, rule, items);
                  results.insert(results.begin(), condition);
                  return results;
                });
}

std::vector<std::pair<int, LowerFunction>> versions() {
  auto result = since({9, 11, 16, 19, 21, 23, 24, 25}, lower);
  result.insert(result.begin(), {8, lower_batched});
  return result;
}

const OnnxOp op{
    {.name = "Scan", .since = versions(), .inputs = {1, -1}, .outputs = {1, -1}, .execution = Execution::Steps}};

}  // namespace
}  // namespace sardonyx::ops
