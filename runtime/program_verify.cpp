// The rules of program.h, checked. Everything after verify() may index without looking.
#include <algorithm>

#include "runtime/base/status.h"
#include "runtime/dims.h"
#include "runtime/program.h"

namespace sardonyx::runtime {

namespace {

using Kind = ValueInfo::Kind;

class Verifier {
 public:
  explicit Verifier(const Program& program) : program_(program) {}

  void run() {
    dims();
    report();
    values();
    interface();
    written_.assign(program_.values.size(), false);
    bound_.assign(program_.dims.size(), false);
    block(program_.main);
    for (size_t i = 0; i < program_.outputs.size(); ++i) {
      read(program_.output_values[i]);
      for (DimId id : program_.outputs[i].dims) {
        check(program_.outputs[i].data_dependent || leaves_[size_t(id)].empty(), "output `", program_.outputs[i].name,
              "` has run-time dims but is not marked data-dependent");
      }
    }
  }

 private:
  void dim_id(DimId id, const char* what) const {
    check(id >= 0 && size_t(id) < program_.dims.size(), what, ": dim slot ", id, " of ", program_.dims.size());
  }
  void value_id(ValueId id, const char* what) const {
    check(id >= 0 && size_t(id) < program_.values.size(), what, ": value ", id, " of ", program_.values.size());
  }

  void device_number(int32_t device, bool any, const std::string& what) const {
    check(device >= 0 && size_t(device) < program_.devices.size(), what, " is of device ", device, " of ",
          program_.devices.size());
    check(any || device == 0, what, " is the host's, not of device ", device);
  }

  void dims() {
    leaves_.resize(program_.dims.size());
    for (size_t i = 0; i < program_.dims.size(); ++i) {
      const DimExpr& expr = program_.dims[i];
      check(expr.op >= DimExpr::Op::Constant && expr.op <= DimExpr::Op::Select, "dim slot ", i, " has no op");
      const int32_t operands[] = {expr.a, expr.b, expr.c};
      for (int k = 0; k < dim_operand_count(expr.op); ++k) {
        check(operands[k] >= 0 && size_t(operands[k]) < i, "dim slot ", i, " uses slot ", operands[k],
              " before it is defined");
        const auto& more = leaves_[size_t(operands[k])];
        leaves_[i].insert(leaves_[i].end(), more.begin(), more.end());
      }
      if (expr.op == DimExpr::Op::Runtime) leaves_[i] = {DimId(i)};
      std::sort(leaves_[i].begin(), leaves_[i].end());
      leaves_[i].erase(std::unique(leaves_[i].begin(), leaves_[i].end()), leaves_[i].end());
      if (expr.op != DimExpr::Op::Input) continue;
      check(expr.a >= 0 && size_t(expr.a) < program_.inputs.size(), "dim slot ", i, " reads input ", expr.a);
      check(expr.axis >= 0 && size_t(expr.axis) < program_.inputs[size_t(expr.a)].dims.size(), "dim slot ", i,
            " reads axis ", expr.axis, " of input ", expr.a);
    }
    for (const DimEquality& equality : program_.equalities) {
      dim_id(equality.left, "equality");
      dim_id(equality.right, "equality");
    }
  }

  void report() const {
    const size_t planned = program_.dims.size(), count = planned + program_.report_dims.size();
    for (size_t i = planned; i < count; ++i) {
      const DimExpr& expr = program_.report_dims[i - planned];
      check(expr.op >= DimExpr::Op::Constant && expr.op <= DimExpr::Op::Select && expr.op != DimExpr::Op::Input,
            "dim slot ", i, " of the report has no op");
      const int32_t operands[] = {expr.a, expr.b, expr.c};
      for (int k = 0; k < dim_operand_count(expr.op); ++k)
        check(operands[k] >= 0 && size_t(operands[k]) < i, "dim slot ", i, " of the report uses slot ", operands[k]);
    }
    for (const GroupReport& entry : program_.report)
      for (DimId id : {entry.flops_dim, entry.bytes_dim})
        check(id >= -1 && id < int64_t(count), "the work of ", entry.name, " is dim slot ", id, " of ", count);
  }

  void values() {
    check(!program_.devices.empty(), "a program without a host");
    for (size_t i = 0; i < program_.values.size(); ++i) {
      const ValueInfo& info = program_.values[i];
      const bool owns = info.kind == Kind::Temporary || info.kind == Kind::Constant;
      if (owns || info.kind != Kind::View) device_number(info.device, owns, str("value ", i));
      for (DimId id : info.dims) dim_id(id, "value shape");
      if (info.bytes >= 0) dim_id(info.bytes, "value size");
      const auto index_below = [&](size_t count) {
        check(info.index >= 0 && size_t(info.index) < count, "value ", i, " has index ", info.index, " of ", count);
      };
      switch (info.kind) {
        case Kind::Input:
          index_below(program_.inputs.size());
          break;
        case Kind::Output:
          index_below(program_.outputs.size());
          break;
        case Kind::Constant:
          index_below(program_.constants.size());
          check(program_.constants[size_t(info.index)].tensor.defined(), "constant ", info.index, " is empty");
          break;
        case Kind::Temporary:
          break;
        case Kind::View:
          check(info.base >= 0 && size_t(info.base) < i, "view ", i, " of value ", info.base, " that is not earlier");
          if (info.byte_offset >= 0) dim_id(info.byte_offset, "view offset");
          break;
      }
    }
  }

  void interface() {
    check(program_.input_values.size() == program_.inputs.size(), "input values do not match the inputs");
    check(program_.output_values.size() == program_.outputs.size(), "output values do not match the outputs");
    for (size_t i = 0; i < program_.inputs.size(); ++i) {
      value_id(program_.input_values[i], "input");
      const ValueInfo& info = program_.values[size_t(program_.input_values[i])];
      check(info.kind == Kind::Input && info.index == int32_t(i), "input ", i, " has a value that is not its own");
      for (DimId id : program_.inputs[i].dims) {
        dim_id(id, "input shape");
        check(leaves_[size_t(id)].empty(), "input `", program_.inputs[i].name, "` has run-time dims");
      }
    }
    for (size_t i = 0; i < program_.outputs.size(); ++i) {
      value_id(program_.output_values[i], "output");
      for (DimId id : program_.outputs[i].dims) dim_id(id, "output shape");
    }
  }

  ValueId root(ValueId id) const {
    while (program_.values[size_t(id)].kind == Kind::View) id = program_.values[size_t(id)].base;
    return id;
  }

  // Every operand is memory of the device that the step works on.
  void operands_of(const Step& step, int32_t device) const {
    for (const auto* operands : {&step.inputs, &step.outputs})
      for (ValueId id : *operands) {
        if (id < 0) continue;
        const int32_t actual = program_.values[size_t(root(id))].device;
        check(actual == device, "step '", step.label, "' on ", program_.devices[size_t(device)], " touches value ", id,
              " of ", program_.devices[size_t(actual)]);
      }
  }

  void use_dim(DimId id) const {
    if (id < 0) return;
    for (DimId leaf : leaves_[size_t(id)])
      check(bound_[size_t(leaf)], "step '", label_, "' needs dim slot ", id, " before slot ", leaf, " is bound");
  }

  void use_shape(ValueId id) const {
    for (;;) {
      const ValueInfo& info = program_.values[size_t(id)];
      for (DimId dim : info.dims) use_dim(dim);
      use_dim(info.bytes);
      use_dim(info.byte_offset);
      if (info.kind != Kind::View) return;
      id = info.base;
    }
  }

  void read(ValueId id) const {
    value_id(id, "operand");
    const ValueId base = root(id);
    const Kind kind = program_.values[size_t(base)].kind;
    check(kind == Kind::Input || kind == Kind::Constant || written_[size_t(base)], "step '", label_, "' reads value ",
          id, " before it is written");
    use_shape(id);
  }

  void read_on_host(ValueId id) const {
    read(id);
    const int32_t device = program_.values[size_t(root(id))].device;
    check(device == 0, "a block of '", label_, "' hands over value ", id, " of ", program_.devices[size_t(device)]);
  }

  void write(ValueId id) {
    value_id(id, "result");
    const ValueId base = root(id);
    const Kind kind = program_.values[size_t(base)].kind;
    check(kind == Kind::Temporary || kind == Kind::Output, "step '", label_, "' writes value ", id,
          ", an input or a constant");
    written_[size_t(base)] = true;
  }

  // A value whose actual shape is matched against its dims: Runtime slots become bound.
  void bind_shape(ValueId id) {
    value_id(id, "result");
    for (DimId dim : program_.values[size_t(id)].dims)
      if (program_.dims[size_t(dim)].op == DimExpr::Op::Runtime) bound_[size_t(dim)] = true;
  }

  void block(const Block& block) {
    for (const Step& step : block.steps) {
      label_ = step.label;
      this->step(step);
    }
  }

  void arity(const Step& step, bool fits) const {
    check(fits, "step '", step.label, "' has ", step.inputs.size(), " inputs, ", step.outputs.size(), " outputs, ",
          step.dims.size(), " dims and ", step.blocks.size(), " blocks");
  }

  void step(const Step& step) {
    for (DimId id : step.dims) dim_id(id, "dim operand");
    const bool loop = step.op == Step::Op::Loop;
    for (size_t i = 0; i < step.inputs.size(); ++i)
      if (!(loop && i < 2 && step.inputs[i] == -1)) read(step.inputs[i]);
    check(loop || step.op == Step::Op::If || step.blocks.empty(), "step '", step.label, "' has blocks");
    for (const InPlace& pair : step.in_place)
      check(pair.input >= 0 && size_t(pair.input) < step.inputs.size() && pair.output >= 0 &&
                size_t(pair.output) < step.outputs.size(),
            "step '", step.label, "' works in place on operands that it does not have");
    device_number(step.device, step.op == Step::Op::Launch, "step '" + step.label + "'");
    check(step.report >= -1 && step.report < int64_t(program_.report.size()), "step '", step.label,
          "' belongs to group ", step.report, " of ", program_.report.size());
    for (ValueId id : step.outputs) value_id(id, "result");
    if (step.op != Step::Op::Copy) operands_of(step, step.device);
    switch (step.op) {
      case Step::Op::Launch:
        check(step.kernel != nullptr, "step '", step.label, "' has no kernel");
        arity(step, !step.outputs.empty());
        for (DimId id : step.dims) use_dim(id);
        plain_results(step);
        break;
      case Step::Op::Copy:
        arity(step, step.inputs.size() == 1 && step.outputs.size() == 1);
        plain_results(step);
        break;
      case Step::Op::HostCall:
        check(step.host != nullptr, "step '", step.label, "' has no host function");
        for (ValueId id : step.outputs) bind_shape(id);
        plain_results(step);
        break;
      case Step::Op::BindDims:
        arity(step, step.inputs.size() == 1 && step.outputs.empty());
        check(program_.values[size_t(step.inputs[0])].dtype == DType::I64, "step '", step.label, "' binds dims from ",
              dtype_name(program_.values[size_t(step.inputs[0])].dtype));
        arity(step, step.least.empty() || step.least.size() == step.dims.size());
        for (DimId id : step.dims) {
          check(program_.dims[size_t(id)].op == DimExpr::Op::Runtime, "step '", step.label, "' binds slot ", id);
          bound_[size_t(id)] = true;
        }
        break;
      case Step::Op::Check:
        arity(step, step.dims.size() == 1);
        use_dim(step.dims[0]);
        break;
      case Step::Op::If:
        branches(step);
        break;
      case Step::Op::Loop:
        this->loop(step);
        break;
    }
  }

  void plain_results(const Step& step) {
    for (ValueId id : step.outputs) {
      write(id);
      use_shape(id);
    }
  }

  // What a nested block binds and writes is not visible behind it.
  template <class Body>
  void scoped(Body&& body) {
    const auto written = written_;
    const auto bound = bound_;
    body();
    written_ = written;
    bound_ = bound;
  }

  void results(const Step& step) {
    label_ = step.label;
    for (ValueId id : step.outputs) bind_shape(id);
    plain_results(step);
  }

  void branches(const Step& step) {
    arity(step, step.inputs.size() == 1 && step.blocks.size() == 2 && step.blocks[0] && step.blocks[1] &&
                    step.blocks[0]->results.size() == step.outputs.size() &&
                    step.blocks[1]->results.size() == step.outputs.size());
    for (const auto& nested : step.blocks) {
      check(nested->parameters.empty(), "a branch of '", step.label, "' has parameters");
      scoped([&] {
        block(*nested);
        label_ = step.label;
        for (ValueId id : nested->results) read_on_host(id);
      });
    }
    results(step);
  }

  void loop(const Step& step) {
    arity(step, step.inputs.size() >= 2 && step.blocks.size() == 1 && step.blocks[0]);
    const Block& body = *step.blocks[0];
    const size_t carried = step.inputs.size() - 2;
    arity(step, body.parameters.size() == step.inputs.size() && step.outputs.size() >= carried &&
                    body.results.size() == step.outputs.size() + 1);
    scoped([&] {
      for (size_t i = 0; i < body.parameters.size(); ++i) {
        const ValueId id = body.parameters[i];
        if (i < 2 && id == -1) continue;
        value_id(id, "parameter");
        check(program_.values[size_t(id)].kind == Kind::Temporary && program_.values[size_t(id)].device == 0,
              "parameter ", i, " of '", step.label, "' is not a temporary of the host");
        bind_shape(id);
        write(id);
        use_shape(id);
      }
      block(body);
      label_ = step.label;
      for (size_t i = 0; i < body.results.size(); ++i)
        if (!(i == 0 && body.results[i] == -1)) read_on_host(body.results[i]);
    });
    results(step);
  }

  const Program& program_;
  std::vector<std::vector<DimId>> leaves_;  // Runtime slots behind every slot
  std::vector<bool> written_;               // by root value
  std::vector<bool> bound_;                 // by Runtime slot
  std::string label_;
};

}  // namespace

void verify(const Program& program) { Verifier(program).run(); }

}  // namespace sardonyx::runtime
