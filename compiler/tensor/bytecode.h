// Scalar expressions compiled for a simple register machine: what the interpreter runs at every point of a stage.
//
// Code is split by loop level: level 0 runs once, level k whenever the loop variable of level k (or an outer one)
// changes, so that what does not depend on inner loops is not computed again. Equal sub-expressions are computed once.
// Select runs only the arm that is taken: what may fail (a load, a division) inside an arm stays inside it.
//   A[i, k] * B[k, j] over i, j, k:  level 1: nothing;  level 3: load A, load B, multiply
#pragma once
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "compiler/tensor/compute.h"
#include "runtime/base/tensor.h"

namespace sardonyx::tensor {

// Integers and Bool in `i` (see expr/scalar.h), floats in `f`, the bits of complex numbers, which are only moved, in
// `words`.
union Value {
  int64_t i;
  double f;
  uint64_t words[2];
};

enum class Opcode : uint8_t {
  AddInt,
  SubInt,
  MulInt,
  LtInt,
  LeInt,  // I64
  AddSingle,
  SubSingle,
  MulSingle,  // F32
  IntBinary,
  FloatBinary,
  FloatCompare,  // any dtype: `kind`
  IntFunction,
  FloatFunction,
  IsNan,
  IsInf,
  Bits,
  IntToInt,
  IntToFloat,
  FloatToInt,
  FloatToFloat,
  Not,
  Move,
  Jump,
  JumpUnless,  // relative: `target` instructions forward; JumpUnless tests register a
  Load,        // `target` is the number of the access
};

struct Instruction {
  Opcode opcode;
  union {
    expr::Kind kind;
    expr::Function function;
    DType from;
  };
  DType dtype;
  uint32_t result, a, b, c;
  uint32_t target;
};

// Memory behind a buffer while a program runs.
struct Storage {
  const uint8_t* bytes = nullptr;
  DType dtype = DType::None;
  std::vector<int64_t> dims;
};
using Memory = std::unordered_map<const expr::Buffer*, Storage>;

struct Access {
  struct Dim {
    uint32_t index;  // register
    int64_t extent, stride;
  };
  std::string buffer;
  const uint8_t* bytes;
  DType dtype;
  std::vector<Dim> dims;
};

struct Code {
  std::vector<std::vector<Instruction>> levels;
  std::vector<Access> accesses;
  std::vector<Value> registers;     // constants and symbols are set
  std::vector<uint32_t> variables;  // the register of each loop variable, outermost first
  uint32_t result = 0;
};

// `loops` outermost first. Loads from `varying` (may be null) are never moved out of the innermost loop.
Code compile(const Expr& body, const std::vector<VarPtr>& loops,
             const std::unordered_map<const expr::Variable*, int64_t>& symbols, const Memory& memory,
             const expr::Buffer* varying);

// Runs one level on the code's registers. Throws Error(InternalError) naming buffer and index on an access out of
// range, and Error(InternalError) on an integer division by zero.
void run(Code& code, size_t level);

Value load_element(const uint8_t* bytes, DType dtype, int64_t index);
void store_element(uint8_t* bytes, DType dtype, int64_t index, Value value);

}  // namespace sardonyx::tensor
