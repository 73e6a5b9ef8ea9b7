// The visitor from lowered statements to the text of one kernel function. Internal to this folder.
//
// It decides nothing: loops, vectors and tiles are what the schedule made them. A value that is used once is written
// where it is used, others become constants v0, v1 ... Vectors read from inputs, and conditions over lanes, are the
// same for many statements of an unrolled tile: each is written once per block of the text. Guards: inside a Select arm
// or an If with a vector condition, `guard_` says which lanes are active; memory is touched only under it, so an
// untaken arm never reads out of bounds.
#pragma once
#include <functional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "backends/opencl/helpers.h"
#include "backends/opencl/kernel.h"
#include "backends/opencl/register_pieces.h"
#include "compiler/tensor/kernel.h"
#include "compiler/tensor/target.h"

namespace sardonyx::opencl {

class Emitter {
 public:
  Emitter(const tensor::LoweredKernel& kernel, const tensor::Target& target, Helpers& helpers);
  // The definition of the kernel function `entry`.
  std::string emit(const std::string& entry);
  const Signature& signature() const { return signature_; }

 private:
  using Expr = expr::Expr;
  using Text = std::string;

  // ---- statements (emit_stmt.cpp) ----
  void emit_frame();
  void emit_grid();
  void emit(const tensor::Stmt& stmt);
  // Statements in order. What follows a Check is its else branch, so that a failed kernel does nothing more there.
  void emit_all(const std::vector<tensor::Stmt>& statements, size_t first);
  void emit_for(const tensor::StmtNode& loop);
  void emit_lane_loop(const tensor::StmtNode& loop);
  void emit_if(const tensor::StmtNode& branch);
  void open_check(const tensor::StmtNode& check);  // "if (fails) { report } else {", without the else's end
  void emit_allocate(const tensor::StmtNode& allocate);
  void declare_registers(const expr::Buffer& buffer, int64_t count);
  void emit_store(const tensor::StmtNode& store);
  void find_barrier();
  Text parameters();
  void line(const Text& text);
  void open(const Text& text);  // a line that opens a block
  void close();
  void open_else();

  // ---- expressions (emit_expr.cpp) ----
  Text evaluate(const Expr& e);                        // starts a fresh memo: loads are not shared across statements
  void start(std::initializer_list<const Expr*> all);  // the same for several expressions of one statement
  void count(const Expr& e);
  Text value_of(const Expr& e);
  Text named(const Text& text, expr::Type type);  // a constant that holds the value
  // The same for a text that means the same value in the whole block: one constant for all that ask.
  Text shared(const Text& text, expr::Type type);
  Text kept(const Expr& e, const Text& text);  // one of the two
  Text compute(const Expr& e);
  Text emit_arithmetic(const Expr& e);
  Text emit_division(const Expr& e);
  Text emit_compare(const Expr& e);
  Text emit_logic(const Expr& e);
  Text emit_min_max(const Expr& e);
  Text emit_select(const Expr& e);
  Text emit_load(const Expr& e);
  Text emit_ramp(const Expr& e);
  Text emit_call(const Expr& e);
  Text emit_round(const Expr& e);
  Text emit_bitwise(const Expr& e);
  Text convert(const Text& v, expr::Type from, expr::Type to);
  bool loads(const Expr& e);
  // Whether `e` means the same value wherever its variables are the same: it reads inputs only, which nobody writes.
  bool stable(const Expr& e);
  bool worth_sharing(const Expr& e);
  // How many lanes, all in front, satisfy a condition on neighbouring indices; "" when it is not such a condition.
  Text count_of_first(const Expr& condition);

  // ---- memory (emit_memory.cpp) ----
  struct Place {
    Text pointer;  // "b0"
    Space space = Space::Global;
    bool input = false;
    int piece = 0;  // lanes of each of the variables "r0_0", "r0_1" ... that the buffer is; 0: it is an array
  };
  const Place& place(const expr::BufferPtr& buffer) const;
  // The variable that holds what is at `index` of such a buffer.
  Text variable(const Place& at, const Expr& index) const;
  // The index of an access, private to the lane when the buffer is.
  Expr own_index(const expr::BufferPtr& buffer, const Expr& index);
  Text load_from(const expr::BufferPtr& buffer, const Expr& index, int lanes);
  void store_to(const expr::BufferPtr& buffer, const Expr& index, const Expr& value);
  Text from_memory(const Text& v, expr::Type type);
  Text to_memory(const Text& v, expr::Type type);

  // A condition over lanes, the name of a constant; no text: all are active.
  struct Guard {
    Text text;
    int lanes = 1;
    Text first;  // the constant that holds how many lanes are active when they are the first ones; else ""
  };
  Guard both(const Guard& a, const Guard& b);
  Guard guard_of(const Expr& condition, bool taken);
  Text any(const Guard& guard);
  static Text mask(const Guard& guard, int lanes);

  Text fresh(char letter) { return letter + std::to_string(counter_++); }

  const tensor::LoweredKernel& kernel_;
  const tensor::Target& target_;
  Helpers& helpers_;
  tensor::Stmt body_;
  Signature signature_;
  std::string out_;
  int depth_ = 1, counter_ = 0;
  std::unordered_map<const expr::Variable*, Text> variables_;
  std::unordered_map<const expr::Variable*, int64_t> unrolled_;  // the iteration of each unrolled loop
  std::unordered_map<const expr::Buffer*, Pieces> pieces_;
  std::unordered_map<const expr::Buffer*, Place> places_;
  const expr::Variable* lane_ = nullptr;  // of the Lane loop around the statement
  std::unordered_set<const expr::Buffer*> lane_private_;
  std::unordered_map<const expr::Node*, Expr> own_indices_;
  Text barrier_;  // between Lane loops; none when lanes share no memory
  Guard guard_;
  std::unordered_map<const expr::Node*, int> uses_;
  std::unordered_map<const expr::Node*, Text> memo_;
  std::vector<const expr::Node*> memo_order_;  // so that a Select arm can forget what it added
  std::unordered_map<const expr::Node*, bool> loads_, stable_;
  std::vector<std::unordered_map<Text, Text>> shared_{1};  // by open block: constants by their text
};

}  // namespace sardonyx::opencl
