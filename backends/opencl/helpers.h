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
  // (a, b) -> the smaller or larger; a NaN wins. Floats.
  std::string min_max(bool minimum, expr::Type type);
  // (a, b) for Div, Mod, TruncDiv, TruncRem of integers: never traps, not even for a zero divisor (of inactive lanes).
  std::string division(expr::Kind kind, expr::Type type);
  // (a, b): shifts by the width or more give zero, or the sign.
  std::string shift(bool left, expr::Type type);
  // (x): saturates, NaN gives 0. `from` is F32 or F64.
  std::string float_to_int(expr::Type from, expr::Type to);
  // (bits) -> float and back, rounding to nearest even. `narrow` is F16 or BF16.
  std::string widen(expr::Type narrow);
  std::string narrow(expr::Type narrow);
  // (vector) -> scalar.
  std::string reduce(expr::Function function, expr::Type type);
  // (p, mask) -> vector of memory elements at p: lanes without mask are 0 and not touched.
  std::string masked_load(Space space, expr::Type type);
  // (p, index), (p, index, mask): p[index] per lane.
  std::string gather(Space space, expr::Type type, bool masked);
  // (p, value, mask)
  std::string masked_store(Space space, expr::Type type);
  // (p, index, value), (p, index, value, mask)
  std::string scatter(Space space, expr::Type type, bool masked);

  const std::string& text() const { return text_; }

 private:
  // Adds `definition` with the placeholders filled in: $F the name, $T the type, $U and $S the integers of its width,
  // $M its memory type, $E its memory element, $N the lanes, $P the address space.
  std::string define(const std::string& name, expr::Type type, std::string definition, Space space = Space::Private);

  std::set<std::string> known_;
  std::string text_;
};

// Lane `lane` of a vector: "s0" to "sf".
std::string component(int lane);

}  // namespace sardonyx::opencl
