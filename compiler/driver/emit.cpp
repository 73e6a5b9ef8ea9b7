#include "compiler/driver/emit.h"

#include <algorithm>
#include <unordered_map>

#include "backends/group_program.h"
#include "compiler/driver/dim_table.h"
#include "compiler/driver/work.h"
#include "compiler/expr/simplify.h"
#include "runtime/base/status.h"

namespace sardonyx::driver {

using expr::Expr;
using graph::Node;
using graph::Op;
using graph::Region;
using graph::Value;
using runtime::Block;
using runtime::DimId;
using runtime::Step;
using runtime::ValueId;
using runtime::ValueInfo;

namespace {

class Emitter {
 public:
  Emitter(const graph::Graph& graph, const std::map<const Node*, Emittable>& groups,
          const std::map<const Node*, Choice>& choices, const InPlaceConcats& in_place, std::span<const Place> places)
      : graph_(graph),
        groups_(groups),
        choices_(choices),
        in_place_(in_place),
        places_(places),
        program_(std::make_shared<runtime::Program>()),
        dims_(program_->dims) {}

  std::shared_ptr<const runtime::Program> run() {
    program_->devices.clear();
    for (size_t i = 0; i < places_.size(); ++i) program_->devices.push_back(name_of(places_, int(i)));
    declare_inputs();
    pending_ = graph_.equalities;
    claim_outputs();
    emit_checks(program_->main);
    emit_nodes(graph_.body(), program_->main);
    finish_outputs();
    finish_report();
    runtime::verify(*program_);
    return program_;
  }

 private:
  void declare_inputs() {
    const auto& parameters = graph_.body().parameters();
    for (size_t i = 0; i < parameters.size(); ++i) {
      const Value& value = *parameters[i];
      runtime::IoInfo io;
      io.name = value.name;
      io.dtype = value.type.dtype;
      io.container = value.type.container;
      for (size_t axis = 0; axis < value.type.dims.size(); ++axis) {
        const Expr& dim = value.type.dims[axis];
        io.dims.push_back(dims_.input(dim, int(i), int(axis)));
        io.dim_names.push_back(dim->kind == expr::Kind::Var ? dim->var->name : "");
      }
      ValueId id = new_value(value, ValueInfo::Kind::Input, 0, int(i));
      values_[&value] = id;
      program_->inputs.push_back(std::move(io));
      program_->input_values.push_back(id);
    }
  }

  ValueId new_value(const Value& value, ValueInfo::Kind kind, int device, int index = -1) {
    ValueInfo info;
    info.kind = kind;
    info.device = device;
    info.index = index;
    info.dtype = value.type.dtype;
    for (const Expr& dim : value.type.dims) info.dims.push_back(dims_.slot(dim));
    info.bytes = dims_.slot(graph::physical_count(value.type) * int64_t(size_of(value.type.dtype)));
    info.name = value.name;
    program_->values.push_back(std::move(info));
    return ValueId(program_->values.size()) - 1;
  }

  bool data_dependent(const graph::TensorType& type) const {
    return std::any_of(type.dims.begin(), type.dims.end(),
                       [&](const Expr& dim) { return dims_.runtime_dependent(dim); });
  }

  // Lets groups on the host and copies to it write graph outputs in place: the value itself, or the value below
  // reshapes that nothing else uses.
  void claim_outputs() {
    const auto& outputs = graph_.body().outputs();
    for (size_t i = 0; i < outputs.size(); ++i) {
      const Value* value = outputs[i];
      while (value->producer && value->producer->op == Op::reshape && value->uses.size() == 1)
        value = value->producer->operand(0);
      bool through_view = value != outputs[i];
      bool ours = !is_held(value->type.dtype) && value->producer &&
                  (value->producer->op == Op::fused || value->producer->op == Op::copy) &&
                  value->producer->parent == &graph_.body() && device_of(value, choices_) == 0;
      if (!ours || data_dependent(value->type) || (through_view && value->uses.size() != 1)) continue;
      claimed_.emplace(value, int(i));  // the first output that a value feeds
    }
  }

  // The number that an equality of the graph gives a symbolic dim, as when the model declares it; else the dim. The
  // equality is checked before the dim is used.
  Expr promised(const Expr& dim) const {
    if (expr::as_int(dim)) return dim;
    for (const graph::Equality& equality : graph_.equalities) {
      if (expr::as_int(equality.right) && expr::equal(equality.left, dim)) return equality.right;
      if (expr::as_int(equality.left) && expr::equal(equality.right, dim)) return equality.left;
    }
    return dim;
  }

  void finish_outputs() {
    const auto& outputs = graph_.body().outputs();
    for (size_t i = 0; i < outputs.size(); ++i) {
      const Value& value = *outputs[i];
      runtime::IoInfo io;
      io.name = graph_.output_names[i];
      io.dtype = value.type.dtype;
      io.container = value.type.container;
      for (const Expr& inferred : value.type.dims) {
        const Expr dim = promised(inferred);
        io.dims.push_back(dims_.slot(dim));
        io.dim_names.push_back(expr::as_int(dim) ? "" : expr::to_string(dim));
      }
      io.data_dependent = data_dependent(value.type);
      program_->outputs.push_back(std::move(io));
      auto direct = output_ids_.find(int(i));
      if (direct != output_ids_.end()) {
        program_->output_values.push_back(direct->second);
        continue;
      }
      ValueId target = new_value(value, ValueInfo::Kind::Output, 0, int(i));
      Step copy;
      copy.op = Step::Op::Copy;
      copy.inputs = {value_of(&value, 0)};
      copy.outputs = {target};
      copy.label = str("output '", graph_.output_names[i], "'");
      program_->main.steps.push_back(std::move(copy));
      program_->output_values.push_back(target);
    }
  }

  // The slot of a value where it lives; for constants and views of them the one on `device`, made on first use.
  ValueId value_of(const Value* value, int device) {
    if (auto found = values_.find(value); found != values_.end()) return found->second;
    auto [entry, added] = constant_values_.try_emplace({value, device}, -1);
    if (!added) return entry->second;
    if (const Tensor* tensor = value->constant()) return entry->second = constant(*tensor, value->name, device);
    check(value->producer && value->producer->op == Op::reshape, "value '", value->name,
          "' is used before it is emitted");
    return entry->second = view(*value, value_of(value->producer->operand(0), device));
  }

  ValueId view(const Value& value, ValueId base) {
    const ValueId id = new_value(value, ValueInfo::Kind::View, program_->values[size_t(base)].device);
    program_->values[size_t(id)].base = base;
    return id;
  }

  ValueId constant(const Tensor& tensor, const std::string& name, int device) {
    ValueInfo info;
    info.kind = ValueInfo::Kind::Constant;
    info.device = device;
    info.dtype = tensor.dtype();
    for (int64_t dim : tensor.dims()) info.dims.push_back(dims_.slot(dim));
    info.bytes = dims_.slot(tensor.bytes());
    info.name = name;
    auto key = std::make_pair(static_cast<const void*>(tensor.raw()), tensor.dims());
    auto found = constant_index_.find(key);
    if (found == constant_index_.end()) {
      found = constant_index_.emplace(key, int(program_->constants.size())).first;
      program_->constants.push_back({tensor, name});
    }
    info.index = found->second;
    program_->values.push_back(std::move(info));
    return ValueId(program_->values.size()) - 1;
  }

  // A value that is made now; what is part of a concatenation becomes a view of it, which may be a part itself.
  ValueId result_value(const Value* value) {
    if (const auto known = values_.find(value); known != values_.end()) return known->second;
    if (const auto part = in_place_.parts.find(value); part != in_place_.parts.end())
      return values_[value] = part_of(*value, part->second.whole, part->second.offset);
    auto claim = claimed_.find(value);
    const int device = device_of(value, choices_);
    ValueId id = claim == claimed_.end() ? new_value(*value, ValueInfo::Kind::Temporary, device)
                                         : new_value(*value, ValueInfo::Kind::Output, device, claim->second);
    if (claim != claimed_.end()) output_ids_[claim->second] = id;
    return values_[value] = id;
  }

  ValueId part_of(const Value& value, const Value* whole, int64_t offset) {
    const ValueId id = view(value, result_value(whole));
    program_->values[size_t(id)].byte_offset = dims_.slot(Expr(offset));
    return id;
  }

  static std::string label_of(const Node& node) {
    if (!node.sources.empty()) return join(node.sources, ", ");
    return std::string(graph::op_name(node.op));
  }

  void emit_nodes(const Region& region, Block& block) {
    for (const auto& node : region.nodes()) emit_node(*node, block);
  }

  void emit_node(const Node& node, Block& block) {
    switch (node.op) {
      case Op::constant:
      case Op::yield:
        break;
      case Op::reshape:
        emit_view(node);
        break;
      case Op::fused:
        emit_group(node, block);
        break;
      case Op::copy:
        emit_copy(node, block);
        break;
      case Op::bind_dims:
        emit_bind(node, block);
        break;
      case Op::check:
        emit_check(node.attrs<graph::CheckAttrs>(), label_of(node), block);
        break;
      case Op::if_:
        emit_if(node, block);
        break;
      case Op::loop:
        emit_loop(node, block);
        break;
      default:
        fail(Status::InternalError, "primitive '", graph::op_name(node.op), "' outside a group");
    }
  }

  void emit_view(const Node& node) {
    const int device = device_of(node.result(), choices_);
    if (device == everywhere) return;
    values_[node.result()] = view(*node.result(), value_of(node.operand(0), device));
  }

  void emit_copy(const Node& node, Block& block) {
    const int from = device_of(node.operand(0), choices_), to = device_of(node.result(), choices_);
    report_copy(node, from, to);
    Step step = new_group_step(Step::Op::Copy, node);
    step.label = str("copy to ", name_of(places_, to), node.sources.empty() ? "" : ": ", join(node.sources, ", "));
    step.inputs = {value_of(node.operand(0), from)};
    step.outputs = {result_value(node.result())};
    block.steps.push_back(std::move(step));
  }

  void emit_in_place_concat(const Node& node, const std::vector<int64_t>& offsets, Block& block) {
    report(node, choices_.at(&node));
    size_t copies = 0;
    Expr copied = 0;
    for (size_t i = 0; i < node.operands.size(); ++i) {
      const Value* operand = node.operands[i];
      if (const auto part = in_place_.parts.find(operand);
          part != in_place_.parts.end() && part->second.whole == node.result())
        continue;
      Step step = new_group_step(Step::Op::Copy, node);
      step.inputs = {value_of(operand, 0)};
      step.outputs = {part_of(*operand, node.result(), offsets[i])};
      block.steps.push_back(std::move(step));
      ++copies;
      copied = copied + physical_bytes(operand->type);
    }
    runtime::GroupReport& entry = program_->report.back();
    entry.candidate = str("in place, ", copies, " of ", node.operands.size(), " operands copied");
    entry.reason = "its operands stand one behind the other";
    works_.back().bytes = expr::simplify(Expr(2) * copied);
  }

  void emit_group(const Node& node, Block& block) {
    if (const auto concat = in_place_.groups.find(&node); concat != in_place_.groups.end())
      return emit_in_place_concat(node, concat->second, block);
    const Emittable& group = groups_.at(&node);
    const int device = choices_.at(&node).device;
    report(node, choices_.at(&node));
    if (group.code->host) {
      check(device == 0, "host function for ", label_of(node), " on ", name_of(places_, device));
      Step step = new_group_step(Step::Op::HostCall, node);
      step.host = group.code->host;
      for (const Value* operand : node.operands) step.inputs.push_back(value_of(operand, 0));
      for (const auto& result : node.results) step.outputs.push_back(result_value(result.get()));
      block.steps.push_back(std::move(step));
      bind_results(node, block);
      return;
    }
    std::vector<ValueId> operands;
    for (size_t i = 0; i < node.operands.size(); ++i) {
      auto packed = group.packed.find(int(i));
      operands.push_back(
          packed == group.packed.end() ? -1 : constant(packed->second, node.operands[i]->name + " packed", device));
    }
    for (const auto& result : node.results) operands.push_back(result_value(result.get()));
    for (const backends::GroupTemporary& temporary : group.code->temporaries) {
      Value value;
      value.type.dtype = temporary.dtype;
      for (const Expr& dim : temporary.dims) value.type.dims.push_back(expr::substitute(dim, group.symbols));
      operands.push_back(new_value(value, ValueInfo::Kind::Temporary, device));
    }
    auto operand = [&](int i) {
      ValueId& id = operands[size_t(i)];
      if (id < 0) id = value_of(node.operands[size_t(i)], device);  // only operands that a launch reads become values
      return id;
    };
    for (const backends::GroupLaunch& launch : group.code->launches) {
      Step step = new_group_step(Step::Op::Launch, node);
      step.device = device;
      step.kernel = launch.kernel;
      for (int input : launch.inputs) step.inputs.push_back(operand(input));
      for (int output : launch.outputs) step.outputs.push_back(operand(output));
      for (const Expr& dim : launch.dims) step.dims.push_back(dims_.slot(expr::substitute(dim, group.symbols)));
      block.steps.push_back(std::move(step));
    }
  }

  void report(const Node& node, const Choice& choice) {
    runtime::GroupReport entry;
    entry.name = node.attrs<graph::FusedAttrs>().name;
    entry.source_nodes = node.sources;
    entry.primitives = backends::primitives_of(node);
    entry.device = name_of(places_, choice.device);
    const backends::Candidate& candidate = choice.candidate;
    entry.candidate = candidate.family + (candidate.point.empty() ? "" : " " + backends::to_string(candidate.point));
    entry.reason = choice.reason;
    auto layout = [](const graph::Layout& l, const Value* value) {
      return l.row_major() ? std::string("row-major") : graph::to_string(l, value->type.rank());
    };
    std::string in = node.operands.empty() ? "" : layout(node.operand(0)->type.layout, node.operand(0));
    entry.layout = str(in, " -> ", node.results.empty() ? "" : layout(node.result()->type.layout, node.result()));
    entry.estimated_ns = candidate.cost_ns;
    add_report(std::move(entry), node);
  }

  void report_copy(const Node& node, int from, int to) {
    runtime::GroupReport entry;
    entry.name = str("copy", ++copies_);
    entry.source_nodes = node.sources;
    entry.primitives = "copy";
    entry.device = name_of(places_, to);
    entry.candidate = str(name_of(places_, from), " -> ", name_of(places_, to));
    std::vector<std::string> readers;
    for (const graph::Use& use : node.result()->uses)
      readers.push_back(use.user->op == Op::fused ? use.user->attrs<graph::FusedAttrs>().name
                                                  : std::string(graph::op_name(use.user->op)));
    entry.reason = str("read by ", join(readers, ", "));
    const double bytes = typical_bytes(node.result()->type);
    entry.estimated_ns = transfer_ns(places_, from, to, bytes);
    entry.transfer_bytes = int64_t(bytes);
    add_report(std::move(entry), node);
  }

  void add_report(runtime::GroupReport entry, const Node& node) {
    program_->report.push_back(std::move(entry));
    works_.push_back(work_of(node));
  }

  // Plans need not evaluate what only the report asks for.
  void finish_report() {
    const auto planned = ptrdiff_t(program_->dims.size());
    for (size_t i = 0; i < works_.size(); ++i) {
      runtime::GroupReport& entry = program_->report[i];
      entry.flops = typical_work(works_[i].flops);
      entry.bytes = typical_work(works_[i].bytes);
      entry.flops_dim = work_slot(works_[i].flops);
      entry.bytes_dim = work_slot(works_[i].bytes);
    }
    std::vector<runtime::DimExpr>& dims = program_->dims;
    program_->report_dims.assign(std::make_move_iterator(dims.begin() + planned), std::make_move_iterator(dims.end()));
    dims.resize(size_t(planned));
  }

  DimId work_slot(const Expr& work) {
    try {
      return expr::as_int(work) ? -1 : dims_.slot(work);
    } catch (const Error&) {
      return -1;  // dims inside a group may be what no slot can hold
    }
  }

  // A step of the group or copy that was reported last.
  Step new_group_step(Step::Op op, const Node& node) {
    Step step = new_step(op, node);
    step.report = int32_t(program_->report.size()) - 1;
    ++program_->report.back().steps;
    return step;
  }

  static Step new_step(Step::Op op, const Node& node) {
    Step step;
    step.op = op;
    step.label = label_of(node);
    return step;
  }

  void emit_bind(const Node& node, Block& block) {
    Step step = new_step(Step::Op::BindDims, node);
    step.inputs = {value_of(node.operand(0), 0)};
    const auto& symbols = node.attrs<graph::BindDimsAttrs>().symbols;
    for (const Expr& symbol : symbols) {
      step.dims.push_back(dims_.slot(symbol));
      step.least.push_back(symbol->var->facts.min);
    }
    block.steps.push_back(std::move(step));
    for (const Expr& symbol : symbols) dims_.mark_bound(symbol);
    emit_checks(block);
  }

  void emit_check(const graph::CheckAttrs& attrs, const std::string& label, Block& block) {
    Step step;
    step.op = Step::Op::Check;
    step.dims = {dims_.slot(attrs.condition[0])};
    step.status = Status(attrs.status);
    step.text = attrs.text;
    step.label = label;
    block.steps.push_back(std::move(step));
  }

  // Results whose dims are run-time symbols bind them from the shapes that come out.
  void bind_results(const Node& node, Block& block) {
    for (const auto& result : node.results)
      for (const Expr& dim : result->type.dims) dims_.mark_bound(dim);
    emit_checks(block);
  }

  // Emits the equalities whose symbols are all bound by now; those of input shapes alone belong to the plan.
  void emit_checks(Block& block) {
    std::vector<graph::Equality> later;
    for (graph::Equality& equality : pending_) {
      DimId left = dims_.slot(equality.left), right = dims_.slot(equality.right);
      if (!dims_.runtime_dependent(equality.left) && !dims_.runtime_dependent(equality.right)) {
        program_->equalities.push_back({left, right, equality.text});
      } else if (dims_.all_bound(equality.left) && dims_.all_bound(equality.right)) {
        graph::CheckAttrs attrs;
        attrs.condition = {equality.left == equality.right};
        attrs.status = int64_t(Status::MismatchingShape);
        attrs.text = equality.text;
        emit_check(attrs, "", block);
      } else {
        later.push_back(std::move(equality));
      }
    }
    pending_ = std::move(later);
  }

  std::shared_ptr<Block> emit_block(const Region& region) {
    auto block = std::make_shared<Block>();
    for (const auto& parameter : region.parameters()) {
      block->parameters.push_back(values_[parameter.get()] = new_value(*parameter, ValueInfo::Kind::Temporary, 0));
      for (const Expr& dim : parameter->type.dims) dims_.mark_bound(dim);
    }
    emit_checks(*block);
    emit_nodes(region, *block);
    for (const Value* output : region.outputs()) block->results.push_back(value_of(output, 0));
    return block;
  }

  void emit_if(const Node& node, Block& block) {
    Step step = new_step(Step::Op::If, node);
    step.inputs = {value_of(node.operand(0), 0)};
    for (const auto& region : node.regions) step.blocks.push_back(emit_block(*region));
    for (const auto& result : node.results) step.outputs.push_back(result_value(result.get()));
    block.steps.push_back(std::move(step));
    bind_results(node, block);
  }

  void emit_loop(const Node& node, Block& block) {
    const auto& attrs = node.attrs<graph::LoopAttrs>();
    Step step = new_step(Step::Op::Loop, node);
    for (size_t i = 0; i < node.operands.size(); ++i) {
      bool absent = (i == 0 && !attrs.has_trip_count) || (i == 1 && !attrs.has_condition);
      step.inputs.push_back(absent ? -1 : value_of(node.operands[i], 0));
    }
    step.blocks.push_back(emit_block(*node.regions[0]));
    for (const auto& result : node.results) step.outputs.push_back(result_value(result.get()));
    block.steps.push_back(std::move(step));
    bind_results(node, block);
  }

  const graph::Graph& graph_;
  const std::map<const Node*, Emittable>& groups_;
  const std::map<const Node*, Choice>& choices_;
  const InPlaceConcats& in_place_;
  std::span<const Place> places_;
  std::shared_ptr<runtime::Program> program_;
  DimTable dims_;
  std::unordered_map<const Value*, ValueId> values_;
  std::map<std::pair<const Value*, int>, ValueId> constant_values_;  // by device
  std::unordered_map<const Value*, int> claimed_;
  std::map<int, ValueId> output_ids_;
  std::map<std::pair<const void*, Dims>, int> constant_index_;
  std::vector<graph::Equality> pending_;
  std::vector<Work> works_;  // of the entries of the report
  int copies_ = 0;
};

}  // namespace

std::shared_ptr<const runtime::Program> emit(const graph::Graph& graph, const std::map<const Node*, Emittable>& groups,
                                             const std::map<const Node*, Choice>& choices,
                                             const InPlaceConcats& in_place, std::span<const Place> places) {
  return Emitter(graph, groups, choices, in_place, places).run();
}

}  // namespace sardonyx::driver
