#include "runtime/program.h"

#include <sstream>

#include "runtime/base/strings.h"
#include "runtime/dims.h"

namespace sardonyx::runtime {

namespace {
const char* kind_name(ValueInfo::Kind kind) {
  constexpr const char* names[] = {"input", "output", "constant", "temporary", "view"};
  return names[int(kind)];
}

const char* op_name(Step::Op op) {
  constexpr const char* names[] = {"launch", "copy", "host_call", "bind_dims", "check", "if", "loop"};
  return names[int(op)];
}

class Printer {
 public:
  explicit Printer(const Program& program) : program_(program) {}

  std::string print() {
    if (program_.devices.size() > 1) out_ << "devices " << join(program_.devices, " ") << '\n';
    for (size_t i = 0; i < program_.dims.size(); ++i) dim_line(DimId(i));
    for (size_t i = 0; i < program_.values.size(); ++i) value_line(ValueId(i));
    block(program_.main, "");
    out_ << "return";
    for (ValueId id : program_.output_values) out_ << " %" << id;
    out_ << '\n';
    return out_.str();
  }

 private:
  // Constants print as numbers, other slots as d7.
  std::string dim(DimId id) const {
    if (id < 0) return "-";
    if (size_t(id) >= program_.dims.size()) return str("d", id, "?");
    const DimExpr& expr = program_.dims[size_t(id)];
    return expr.op == DimExpr::Op::Constant ? str(expr.value) : str("d", id);
  }

  void dim_line(DimId id) {
    const DimExpr& expr = program_.dims[size_t(id)];
    if (expr.op == DimExpr::Op::Constant) return;
    out_ << 'd' << id << " = " << dim_op_name(expr.op);
    if (expr.op == DimExpr::Op::Input) out_ << ' ' << expr.a << " axis " << expr.axis;
    const int32_t operands[] = {expr.a, expr.b, expr.c};
    for (int i = 0; i < dim_operand_count(expr.op); ++i) out_ << ' ' << dim(operands[i]);
    if (!expr.name.empty()) out_ << " `" << expr.name << '`';
    out_ << '\n';
  }

  void value_line(ValueId id) {
    const ValueInfo& info = program_.values[size_t(id)];
    out_ << '%' << id << " = " << kind_name(info.kind);
    if (info.kind == ValueInfo::Kind::View)
      out_ << " %" << info.base << " + " << (info.byte_offset < 0 ? "0" : dim(info.byte_offset));
    else if (info.index >= 0)
      out_ << ' ' << info.index;
    out_ << ' ' << dtype_name(info.dtype) << '[';
    const char* separator = "";
    for (DimId d : info.dims) {
      out_ << separator << dim(d);
      separator = ",";
    }
    out_ << ']';
    if (info.bytes >= 0) out_ << " bytes " << dim(info.bytes);
    on_device(info.device);
    if (!info.name.empty()) out_ << " `" << info.name << '`';
    out_ << '\n';
  }

  void on_device(int32_t device) {
    if (device == 0) return;
    const bool known = device > 0 && size_t(device) < program_.devices.size();
    out_ << " on " << (known ? program_.devices[size_t(device)] : str("device ", device));
  }

  void ids(const std::vector<ValueId>& values) {
    for (ValueId id : values) id < 0 ? out_ << " -" : out_ << " %" << id;
  }

  void block(const Block& block, const std::string& indent) {
    for (const Step& step : block.steps) {
      out_ << indent;
      if (!step.outputs.empty()) {
        for (ValueId id : step.outputs) out_ << '%' << id << ' ';
        out_ << "= ";
      }
      out_ << op_name(step.op);
      on_device(step.device);
      if (step.kernel) out_ << " [" << step.kernel->name() << ']';
      if (step.host) out_ << " [" << step.host->name() << ']';
      ids(step.inputs);
      if (!step.dims.empty()) {
        out_ << " (";
        const char* separator = "";
        for (DimId d : step.dims) {
          out_ << separator << dim(d);
          separator = ", ";
        }
        out_ << ')';
      }
      if (!step.text.empty()) out_ << " \"" << step.text << '"';
      if (!step.label.empty()) out_ << "  # " << step.label;
      out_ << '\n';
      for (const auto& nested : step.blocks) {
        out_ << indent << "  block";
        ids(nested->parameters);
        out_ << '\n';
        this->block(*nested, indent + "    ");
        out_ << indent << "  yield";
        ids(nested->results);
        out_ << '\n';
      }
    }
  }

  const Program& program_;
  TextStream out_;
};
}  // namespace

std::string to_string(const Program& program) { return Printer(program).print(); }

}  // namespace sardonyx::runtime
