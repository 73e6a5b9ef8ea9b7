// Attributes as a list of (name, value) pairs: what printing, equality, hashing and canonical texts share.
//
//   for (const Field& field : collect_fields(*node.attributes)) text += field.name + '=' + print_field(field, printer);
#pragma once
#include <functional>
#include <string>
#include <variant>
#include <vector>

#include "compiler/graph/attributes.h"

namespace sardonyx::graph {

struct EnumField {
  int value = 0;
  const char* const* names = nullptr;
};

struct Field {
  const char* name;
  std::variant<bool, int64_t, double, std::string, DType, Ints, Exprs, Layout, Tensor, EnumField> value;
};

std::vector<Field> collect_fields(const Attributes& attributes);

using ExprPrinter = std::function<std::string(const Expr&)>;
// The textual form of a value. Tensors of more than 64 elements print as "f32[128]#hash".
std::string print_field(const Field& field, const ExprPrinter& printer);
bool equal_fields(const Field& a, const Field& b);

// "f32[2]{1,2.5}" or "f32[128]#hash".
std::string print_tensor(const Tensor& tensor);
inline constexpr int64_t max_printed_elements = 64;

// Double-quoted with \" \\ \n and \xNN escapes.
std::string quote(const std::string& text);
// Shortest text that reads back as the same double.
std::string print_double(double value);

// 128 bits over the bytes, as 32 hexadecimal digits; stable between runs and machines of one byte order.
std::string content_hash(const void* bytes, size_t size);

}  // namespace sardonyx::graph
