// Names of types and literals in OpenCL C.
//
// In registers a Bool is an int: 0 or 1 as a scalar, 0 or -1 in the lanes of a vector, as relational operators give
// them. In memory it is a uchar 0 or 1. F16 and BF16 are ushort in both, smaller types their byte.
#pragma once
#include <string>

#include "compiler/expr/expr.h"

namespace sardonyx::opencl {

// "float8", "int"; the type of a value in registers.
std::string type_name(expr::Type type);
std::string memory_type_name(expr::Type type);
// The integer types of the same width.
std::string unsigned_name(expr::Type type);
std::string signed_name(expr::Type type);
// Short and unique, for names of helpers: "f32x8".
std::string suffix(expr::Type type);
int bits_of(DType dtype);

// `mask`, a vector Bool, decides lane by lane between values of `type`.
std::string blend(const std::string& mask, const std::string& yes, const std::string& no, expr::Type type);

// Literals carry their type. A negative one is in parentheses.
std::string literal(int64_t value, DType dtype);
std::string literal(double value, DType dtype);  // exact; the bits of F16 and BF16

// Numbers of lanes that OpenCL C has, without 3.
bool native_lanes(int lanes);

}  // namespace sardonyx::opencl
