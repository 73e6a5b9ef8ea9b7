// Statements and the frame of a kernel function.
#include <unordered_set>

#include "backends/opencl/emitter.h"
#include "backends/opencl/split_vectors.h"
#include "backends/opencl/types.h"
#include "compiler/expr/simplify.h"
#include "runtime/base/status.h"

namespace sardonyx::opencl {

using expr::Buffer;
using expr::BufferPtr;
using expr::Expr;
using expr::Kind;
using tensor::ForKind;
using tensor::Stmt;
using tensor::StmtKind;
using tensor::StmtNode;
using Text = std::string;

namespace {

constexpr int64_t most_pieces = 128;  // variables that a Register buffer may become

bool has(const Stmt& body, const std::function<bool(const StmtNode&)>& what) {
  bool found = false;
  tensor::visit(body, [&](const Stmt& s) {
    found = found || what(*s);
    return !found;
  });
  return found;
}

int64_t count_of(const Buffer& buffer, size_t first_dim) {
  int64_t count = 1;
  for (size_t i = first_dim; i < buffer.dims.size(); ++i) {
    auto extent = expr::as_int(buffer.dims[i]);
    check(extent.has_value(), "buffer ", buffer.name, " has symbolic dims");
    count *= *extent;
  }
  return std::max<int64_t>(count, 1);
}

}  // namespace

Emitter::Emitter(const tensor::LoweredKernel& kernel, const tensor::Target& target, Helpers& helpers)
    : kernel_(kernel),
      target_(target),
      helpers_(helpers),
      body_(split_vectors(kernel.body)),
      pieces_(register_pieces(body_)) {
  signature_.outputs = kernel.outputs;
  signature_.inputs = int(kernel.buffers.size()) - kernel.outputs;
  signature_.symbols = int(kernel.symbols.size());
  signature_.scratch = !tensor::scratch_layout(body_, nullptr).empty();
  signature_.status = has(body_, [](const StmtNode& s) { return s.kind == StmtKind::Check; });
}

void Emitter::line(const Text& text) {
  out_.append(size_t(depth_) * 2, ' ');
  out_ += text;
  out_ += '\n';
}

void Emitter::open(const Text& text) {
  line(text);
  ++depth_;
  shared_.emplace_back();
}

void Emitter::close() {
  shared_.pop_back();
  --depth_;
  line("}");
}

void Emitter::open_else() {
  shared_.back().clear();
  --depth_;
  line("} else {");
  ++depth_;
}

Text Emitter::emit(const std::string& entry) {
  find_barrier();
  Text head = "__kernel ";
  // On a CPU a work-item without lanes is a group of its own; a compiler that knows makes no loop over work-items.
  if (kernel_.lanes > 1 || target_.kind == tensor::TargetKind::OpenClCpu) {
    head += "__attribute__((reqd_work_group_size(" + std::to_string(kernel_.lanes) + ", 1, 1))) ";
  }
  head += "void " + entry + "(" + parameters() + ") {\n";
  emit_frame();
  emit_grid();
  return head + out_ + "}\n";
}

Text Emitter::parameters() {
  Text list;
  size_t first_output = size_t(signature_.inputs);
  for (size_t i = 0; i < kernel_.buffers.size(); ++i) {
    Text number = std::to_string(i);
    list += Text("__global ") + (i < first_output ? "const " : "") + "char* restrict a" + number + ", const long o" +
            number + ", ";
    Text pointee = (i < first_output ? "const " : "") + memory_type_name({kernel_.buffers[i]->dtype, 1});
    line("__global " + pointee + "* b" + number + " = (__global " + pointee + "*)(a" + number + " + o" + number + ");");
    places_[kernel_.buffers[i].get()] = {"b" + number, Space::Global, i < first_output};
  }
  for (size_t i = 0; i < kernel_.symbols.size(); ++i) {
    Text name = "d" + std::to_string(i);
    list += "const long " + name + ", ";
    variables_[kernel_.symbols[i].get()] = name;
  }
  list += "const long grid";
  if (signature_.scratch) list += ", __global char* restrict scratch, const long slice";
  if (signature_.status) list += ", __global int* status";
  return list;
}

void Emitter::emit_frame() {
  // Local memory is declared in the outermost scope of a kernel.
  tensor::visit(body_, [&](const Stmt& s) {
    if (s->kind != StmtKind::Allocate || s->buffer->scope != Buffer::Scope::Local) return true;
    Text name = fresh('l');
    line("__local " + memory_type_name({s->buffer->dtype, 1}) + " " + name + "[" +
         std::to_string(count_of(*s->buffer, 0)) + "];");
    places_[s->buffer.get()] = {name, Space::Local};
    return true;
  });
  if (!signature_.scratch) return;
  line("scratch += slice * (long)get_global_id(0);");
  for (const tensor::ScratchSlot& slot : tensor::scratch_layout(body_, nullptr)) {
    Text name = fresh('s'), type = memory_type_name({slot.buffer->dtype, 1});
    line("__global " + type + "* " + name + " = (__global " + type + "*)(scratch + " + evaluate(slot.offset) + ");");
    places_[slot.buffer.get()] = {name, Space::Global};
  }
}

void Emitter::emit_grid() {
  // A work-group takes one index: no loop stands around its barriers, and no condition, because PoCL 3.1 loses stores
  // on some CPUs when one does. Groups beyond the grid skip the Lane loops. Of work-items, a CPU's take neighbouring
  // indices, a GPU's take turns.
  if (kernel_.lanes > 1) {
    check(!signature_.scratch, "kernel ", kernel_.name, " has lanes and scratch");
    open("{");
    line("const long g = get_group_id(0);");
  } else if (target_.kind == tensor::TargetKind::OpenClGpu) {
    open("for (long g = get_global_id(0); g < grid; g += get_global_size(0)) {");
  } else {
    line("const long workers = get_global_size(0), worker = get_global_id(0);");
    line("const long end = grid / workers * (worker + 1) + min(grid % workers, worker + 1);");
    open("for (long g = grid / workers * worker + min(grid % workers, worker); g < end; ++g) {");
  }
  // Constant extents mostly allow division in 32 bits.
  int64_t count = 1;
  for (const tensor::Axis& axis : kernel_.grid) {
    auto extent = expr::as_int(axis.extent);
    if (!extent || *extent <= 0 || count > INT32_MAX / *extent) count = INT64_MAX;
    if (count != INT64_MAX) count *= *extent;
  }
  Text type = count <= INT32_MAX ? "uint" : "ulong";
  Text rest = "(" + type + ")g";
  for (size_t i = kernel_.grid.size(); i-- > 0;) {
    Text name = fresh('v');
    variables_[kernel_.grid[i].var.get()] = name;
    if (i == 0) {
      line("const long " + name + " = " + rest + ";");
      break;
    }
    Text extent = "(" + type + ")" + evaluate(kernel_.grid[i].extent), next = fresh('q');
    line("const long " + name + " = " + rest + " % " + extent + ";");
    line("const " + type + " " + next + " = " + rest + " / " + extent + ";");
    rest = next;
  }
  emit(body_);
  close();
}

void Emitter::find_barrier() {
  if (kernel_.lanes <= 1) return;
  bool local = has(
      body_, [](const StmtNode& s) { return s.kind == StmtKind::Allocate && s.buffer->scope == Buffer::Scope::Local; });
  std::unordered_set<const Buffer*> written;
  tensor::visit(body_, [&](const Stmt& s) {
    bool global = s->kind == StmtKind::Store &&
                  (s->buffer->scope == Buffer::Scope::Global || s->buffer->scope == Buffer::Scope::Scratch);
    if (global) written.insert(s->buffer.get());
    return true;
  });
  bool global = false;
  tensor::visit_exprs(body_, [&](const Expr& e) {
    tensor::mutate_shared(e, [&](const Expr& x) {
      global = global || (x->kind == Kind::Load && written.count(x->buffer.get()));
      return x;
    });
  });
  if (local || global) {
    barrier_ = Text("barrier(") + (local ? "CLK_LOCAL_MEM_FENCE" : "") + (local && global ? " | " : "") +
               (global ? "CLK_GLOBAL_MEM_FENCE" : "") + ");";
  }
}

void Emitter::emit_all(const std::vector<Stmt>& statements, size_t first) {
  for (size_t i = first; i < statements.size(); ++i) {
    if (statements[i]->kind == StmtKind::Check) {
      open_check(*statements[i]);
      emit_all(statements, i + 1);
      return close();
    }
    emit(statements[i]);
  }
}

void Emitter::emit(const Stmt& stmt) {
  switch (stmt->kind) {
    case StmtKind::For:
      return stmt->for_kind == ForKind::Lane ? emit_lane_loop(*stmt) : emit_for(*stmt);
    case StmtKind::Store:
      return emit_store(*stmt);
    case StmtKind::If:
      return emit_if(*stmt);
    case StmtKind::Check:
      open_check(*stmt);
      return close();
    case StmtKind::Block:
      return emit_all(stmt->body, 0);
    case StmtKind::Let: {
      Text value = evaluate(stmt->value);
      variables_[stmt->var.get()] = named(value, {DType::I64, 1});
      return emit(stmt->body[0]);
    }
    case StmtKind::Allocate:
      return emit_allocate(*stmt);
    case StmtKind::Prefetch:  // a hint, which OpenCL devices do better without
      return;
    case StmtKind::Transpose:
      fail(Status::InternalError, "internal error: squares of registers are transposed on the host only");
  }
}

void Emitter::emit_allocate(const StmtNode& allocate) {
  const BufferPtr& buffer = allocate.buffer;
  if (buffer->scope == Buffer::Scope::Register) {
    bool per_lane = kernel_.lanes > 1 && !lane_;  // its first dim is the lane
    if (per_lane) lane_private_.insert(buffer.get());
    declare_registers(*buffer, count_of(*buffer, per_lane ? 1 : 0));
  }
  emit(allocate.body[0]);
}

void Emitter::declare_registers(const Buffer& buffer, int64_t count) {
  const Text name = fresh('r');
  auto found = pieces_.find(&buffer);
  const int piece = found == pieces_.end() ? 0 : found->second.lanes;
  if (piece == 0 || count % piece != 0 || count / piece > most_pieces) {
    places_[&buffer] = {name, Space::Private, false};
    return line(memory_type_name({buffer.dtype, 1}) + " " + name + "[" + std::to_string(count) + "];");
  }
  places_[&buffer] = {name, Space::Private, false, piece};
  Text list;
  const Text type = type_name({buffer.dtype, piece}), value = found->second.masked ? " = (" + type + ")(0)" : "";
  for (int64_t i = 0; i < count / piece; ++i) list += (i ? ", " : " ") + name + "_" + std::to_string(i) + value;
  line(type + list + ";");
}

void Emitter::emit_for(const StmtNode& loop) {
  if (loop.for_kind == ForKind::Unrolled) {
    for (int64_t i = 0; i < *expr::as_int(loop.extent); ++i) {
      variables_[loop.var.get()] = literal(i, DType::I64);  // every copy has names of its own
      unrolled_[loop.var.get()] = i;
      emit(loop.body[0]);
    }
    return;
  }
  check(loop.for_kind == ForKind::Serial, "loop ", loop.var->name, " was not lowered");
  Text end = evaluate(loop.extent), name = fresh('v');
  if (!expr::as_int(loop.extent)) end = named(end, {DType::I64, 1});
  variables_[loop.var.get()] = name;
  open("for (long " + name + " = 0; " + name + " < " + end + "; ++" + name + ") {");
  emit(loop.body[0]);
  close();
}

void Emitter::emit_lane_loop(const StmtNode& loop) {
  // The work-group has exactly as many work-items.
  Text name = fresh('v');
  variables_[loop.var.get()] = name;
  lane_ = loop.var.get();
  open("if (g < grid) {");
  line("const long " + name + " = get_local_id(0);");
  emit(loop.body[0]);
  close();
  lane_ = nullptr;
  if (!barrier_.empty()) line(barrier_);
}

void Emitter::emit_if(const StmtNode& branch) {
  if (branch.condition->type.lanes > 1) {
    start({&branch.condition});
    Guard outer = guard_;
    const Guard yes = guard_of(branch.condition, true), no = guard_of(branch.condition, false);
    guard_ = both(outer, yes);
    emit(branch.body[0]);
    if (branch.body.size() > 1) {
      guard_ = both(outer, no);
      emit(branch.body[1]);
    }
    guard_ = outer;
    return;
  }
  open("if (" + evaluate(branch.condition) + ") {");
  emit(branch.body[0]);
  if (branch.body.size() > 1) {
    open_else();
    emit(branch.body[1]);
  }
  close();
}

void Emitter::open_check(const StmtNode& check) {
  start({&check.condition});
  Guard bad = guard_of(check.condition, false);
  bad = guard_.lanes > bad.lanes ? both(bad, {any(guard_), 1, ""}) : both(guard_, bad);
  open("if (" + any(bad) + ") {");
  line("atomic_cmpxchg(status, 0, " + std::to_string(check.code) + ");");
  open_else();
}

void Emitter::emit_store(const StmtNode& store) {
  check(store.index.size() == 1, "store to ", store.buffer->name, " is not flat");
  Expr index = own_index(store.buffer, store.index[0]);
  start({&store.value, &index});
  store_to(store.buffer, index, store.value);
}

}  // namespace sardonyx::opencl
