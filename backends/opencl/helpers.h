// Functions that generated kernels call. Each is written once per program, when something first needs it; the members
// return its name. All are inlined by every OpenCL compiler.
#pragma once
#include <set>
#include <string>

#include "compiler/expr/expr.h"

namespace sardonyx::opencl {

enum class Space : uint8_t { Global, Local, Private };
const char* space_name(Space space);  // "__global"

class Helpers {
 public:
  // `whole_vectors`: a vector in memory is accessed as one object that is aligned like its elements. CPUs can, and
  // their compilers take much longer over what vload and vstore stand for (PoCL: eight loads and seven shuffles).
  explicit Helpers(bool whole_vectors) : whole_vectors_(whole_vectors) {}

  // The vector of memory elements at `pointer` as an expression, and the statement that stores `value` there.
  std::string vector_load(Space space, expr::Type type, const std::string& pointer);
  std::string vector_store(Space space, expr::Type type, const std::string& pointer, const std::string& value);
  // (a, b) -> the smaller or larger; a NaN wins. Floats. `number`: b is never a NaN, so one comparison is enough.
  std::string min_max(bool minimum, expr::Type type, bool number = false);
  // (a, b) for Div, Mod, TruncDiv, TruncRem of integers: never traps, not even for a zero divisor (of inactive lanes).
  std::string division(expr::Kind kind, expr::Type type);
  // (a, b): shifts by the width or more give zero, or the sign.
  std::string shift(bool left, expr::Type type);
  // (x): saturates, NaN gives 0. `from` is F32 or F64.
  std::string float_to_int(expr::Type from, expr::Type to);
  // (bits) -> float and back, rounding to nearest even. `narrow` is F16 or BF16.
  std::string widen(expr::Type narrow);
  std::string narrow(expr::Type narrow);
  // (mask) -> 0 or 1, over the lanes of a vector Bool.
  std::string every(int lanes);
  std::string some(int lanes);
  // (vector) -> scalar.
  std::string reduce(expr::Function function, expr::Type type);
  // (p, mask) -> vector of memory elements at p: lanes without mask are 0 and not touched.
  std::string masked_load(Space space, expr::Type type);
  // (p, count): the first `count` lanes, 0 to all; the others are 0 and not touched.
  std::string load_first(Space space, expr::Type type);
  // (p, index), (p, index, mask): p[index] per lane.
  std::string gather(Space space, expr::Type type, bool masked);
  // (p, value, mask)
  std::string masked_store(Space space, expr::Type type);
  // (p, value, count): the first `count` lanes.
  std::string store_first(Space space, expr::Type type);
  // (p, index, value), (p, index, value, mask)
  std::string scatter(Space space, expr::Type type, bool masked);

  const std::string& text() const { return text_; }

 private:
  // Adds `definition` with the placeholders filled in: $F the name, $T the type, $U and $S the integers of its width,
  // $M its memory type, $H half of that, $E its memory element, $N the lanes, $P the address space.
  std::string define(const std::string& name, expr::Type type, std::string definition, Space space = Space::Private);

  // A structure whose one member `v` is a vector of memory elements, aligned like an element.
  std::string whole_vector(expr::Type type);
  // load_first and store_first of fewer than all lanes: half by half, a branch each.
  std::string load_part(Space space, expr::Type type);
  std::string store_part(Space space, expr::Type type);
  std::string over_lanes(const char* what, const char* op, int lanes);

  bool whole_vectors_;
  std::set<std::string> known_;
  std::string text_;
};

// Lane `lane` of a vector: "s0" to "sf".
std::string component(int lane);

}  // namespace sardonyx::opencl
