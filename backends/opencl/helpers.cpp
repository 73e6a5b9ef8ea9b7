#include "backends/opencl/helpers.h"

#include "backends/opencl/types.h"
#include "compiler/expr/scalar.h"
#include "runtime/base/status.h"

namespace sardonyx::opencl {

using expr::Function;
using expr::Kind;
using expr::Type;

const char* space_name(Space space) {
  switch (space) {
    case Space::Global:
      return "__global";
    case Space::Local:
      return "__local";
    default:
      return "__private";
  }
}

std::string component(int lane) { return std::string("s") + "0123456789abcdef"[lane]; }

namespace {

const char* space_letter(Space space) { return space == Space::Global ? "g" : space == Space::Local ? "l" : "p"; }

std::string memory_name(const char* what, Space space, Type type) {
  return std::string(what) + "_" + space_letter(space) + "_" + suffix(type);
}

// One line per lane, with $L for its component and $I for its number.
std::string per_lane(int lanes, const std::string& line) {
  std::string text;
  for (int i = 0; i < lanes; ++i) {
    for (size_t at = 0; at < line.size(); ++at) {
      if (line.compare(at, 2, "$L") == 0) {
        text += component(i);
        ++at;
      } else if (line.compare(at, 2, "$I") == 0) {
        text += std::to_string(i);
        ++at;
      } else {
        text += line[at];
      }
    }
  }
  return text;
}

}  // namespace

std::string Helpers::define(const std::string& name, Type type, std::string definition, Space space) {
  if (!known_.insert(name).second) return name;
  std::string text;
  for (size_t i = 0; i < definition.size(); ++i) {
    if (definition[i] != '$') {
      text += definition[i];
      continue;
    }
    switch (definition[++i]) {
      case 'F':
        text += name;
        break;
      case 'T':
        text += type_name(type);
        break;
      case 'U':
        text += unsigned_name(type);
        break;
      case 'S':
        text += signed_name(type);
        break;
      case 'M':
        text += memory_type_name(type);
        break;
      case 'E':
        text += memory_type_name({type.dtype, 1});
        break;
      case 'N':
        text += type.lanes == 1 ? "" : std::to_string(type.lanes);
        break;
      case 'H':
        text += memory_type_name({type.dtype, type.lanes / 2});
        break;
      case 'P':
        text += space_name(space);
        break;
      default:
        fail(Status::InternalError, "internal error: unknown placeholder");
    }
  }
  text_ += text;
  return name;
}

std::string Helpers::whole_vector(Type type) {
  return define("vector_" + suffix(type), type,
                "typedef struct __attribute__((packed, aligned(sizeof($E)))) { $M v; } $F;\n");
}

std::string Helpers::vector_load(Space space, Type type, const std::string& pointer) {
  if (!whole_vectors_) return "vload" + std::to_string(type.lanes) + "(0, " + pointer + ")";
  return "((const " + std::string(space_name(space)) + " " + whole_vector(type) + "*)(" + pointer + "))->v";
}

std::string Helpers::vector_store(Space space, Type type, const std::string& pointer, const std::string& value) {
  if (!whole_vectors_) return "vstore" + std::to_string(type.lanes) + "(" + value + ", 0, " + pointer + ");";
  return "((" + std::string(space_name(space)) + " " + whole_vector(type) + "*)(" + pointer + "))->v = " + value + ";";
}

std::string Helpers::over_lanes(const char* what, const char* op, int lanes) {
  // all() and any() may be a branch per lane.
  const std::string joined = std::string("m.lo ") + op + " m.hi";
  const std::string rest = lanes > 2 ? over_lanes(what, op, lanes / 2) : "";
  return define(
      what + std::to_string(lanes), {DType::Bool, lanes},
      "static int $F($T m) { return " + (lanes > 2 ? rest + "(" + joined + ")" : "(" + joined + ") != 0") + "; }\n");
}

std::string Helpers::every(int lanes) { return over_lanes("every_", "&", lanes); }

std::string Helpers::some(int lanes) { return over_lanes("some_", "|", lanes); }

std::string Helpers::min_max(bool minimum, Type type, bool number) {
  // b wins only when the comparison is true, so a NaN in a stays; a NaN in b needs a second look.
  const std::string wins = minimum ? "b < a" : "b > a";
  const std::string name = std::string(minimum ? "min_" : "max_") + (number ? "number_" : "") + suffix(type);
  if (type.lanes == 1) {
    return define(name, type,
                  "static $T $F($T a, $T b) { return " + wins + (number ? "" : " || b != b") + " ? b : a; }\n");
  }
  return define(
      name, type,
      "static $T $F($T a, $T b) { return select(a, b, " + (number ? wins : "(" + wins + ") | (b != b)") + "); }\n");
}

std::string Helpers::division(Kind kind, Type type) {
  bool quotient = kind == Kind::Div || kind == Kind::TruncDiv;
  bool floor = kind == Kind::Div || kind == Kind::Mod;
  std::string name = std::string(floor ? "floor_" : "trunc_") + (quotient ? "div_" : "rem_") + suffix(type);
  if (!is_signed(type.dtype)) {
    std::string safe = type.lanes == 1 ? "(b == 0 ? ($T)1 : b)" : "select(b, ($T)(1), b == ($T)(0))";
    return define(name, type,
                  "static $T $F($T a, $T b) { return a " + std::string(quotient ? "/" : "%") + safe + "; }\n");
  }
  // MIN / -1 overflows: -1 negates.
  if (type.lanes == 1) {
    std::string result = quotient ? "q" : "r";
    if (floor) result = quotient ? "($T)(q - (r != 0 && (r ^ d) < 0))" : "(r != 0 && (r ^ d) < 0 ? ($T)(r + d) : r)";
    return define(name, type,
                  "static $T $F($T a, $T b) {\n"
                  "  const $T d = b == 0 || b == -1 ? ($T)1 : b;\n"
                  "  const $T q = ($T)(a / d), r = ($T)(a % d);\n"
                  "  return b == -1 ? " +
                      std::string(quotient ? "($T)(0 - ($U)a)" : "($T)0") + " : " + result + ";\n}\n");
  }
  std::string result = quotient ? "q" : "r";
  if (floor) {
    std::string correct = "(r != ($T)(0)) & ((r ^ d) < ($T)(0))";  // -1 in lanes to correct
    result = quotient ? "(q + (" + correct + "))" : "(r + (d & (" + correct + ")))";
  }
  return define(name, type,
                "static $T $F($T a, $T b) {\n"
                "  const $T d = select(b, ($T)(1), (b == ($T)(0)) | (b == ($T)(-1)));\n"
                "  const $T q = a / d, r = a % d;\n"
                "  return select(" +
                    result + ", " + std::string(quotient ? "as_$T(($U)(0) - as_$U(a))" : "($T)(0)") +
                    ", b == ($T)(-1));\n}\n");
}

std::string Helpers::shift(bool left, Type type) {
  std::string bits = std::to_string(bits_of(type.dtype)), last = std::to_string(bits_of(type.dtype) - 1);
  bool arithmetic = !left && is_signed(type.dtype);
  std::string name = (left ? "shift_left_" : "shift_right_") + suffix(type);
  if (type.lanes == 1) {
    if (arithmetic) {
      return define(name, type,
                    "static $T $F($T a, $T b) { return ($T)(a >> (($U)b < " + bits + " ? ($U)b : " + last + ")); }\n");
    }
    return define(name, type,
                  "static $T $F($T a, $T b) { return ($U)b < " + bits + " ? ($T)(($U)a " + (left ? "<<" : ">>") +
                      " ($U)b) : ($T)0; }\n");
  }
  if (arithmetic) {
    return define(name, type, "static $T $F($T a, $T b) { return a >> as_$T(min(as_$U(b), ($U)(" + last + "))); }\n");
  }
  return define(name, type,
                "static $T $F($T a, $T b) { return select(($T)(0), as_$T(as_$U(a) " + std::string(left ? "<<" : ">>") +
                    " as_$U(b)), as_$U(b) < ($U)(" + bits + ")); }\n");
}

std::string Helpers::float_to_int(Type from, Type to) {
  std::string number = from.lanes == 1 ? "x != x ? ($T)0 : x" : "select(x, ($T)(0), x != x)";
  return define(
      suffix(to) + "_from_" + suffix(from), from,
      "static " + type_name(to) + " $F($T x) { return convert_" + type_name(to) + "_sat(" + number + "); }\n");
}

std::string Helpers::widen(Type narrow) {
  std::string name = "f32_from_" + suffix(narrow);
  if (narrow.dtype == DType::F16) {
    return define(name, narrow, "static float$N $F($T h) { return vload_half$N(0, (const half*)&h); }\n");
  }
  return define(name, narrow, "static float$N $F($T h) { return as_float$N(convert_uint$N(h) << 16); }\n");
}

std::string Helpers::narrow(Type narrow) {
  std::string name = suffix(narrow) + "_from_f32";
  if (narrow.dtype == DType::F16) {
    return define(name, narrow,
                  "static $T $F(float$N x) {\n  $T h;\n  vstore_half$N_rte(x, 0, (half*)&h);\n  return h;\n}\n");
  }
  std::string nan = narrow.lanes == 1 ? "x != x ? b | 0x400000U : b + 0x7fffU + (b >> 16 & 1U)"
                                      : "select(b + (uint$N)(0x7fffU) + (b >> 16 & 1U), b | 0x400000U, x != x)";
  return define(name, narrow,
                "static $T $F(float$N x) {\n  const uint$N b = as_uint$N(x);\n  return convert_ushort$N((" + nan +
                    ") >> 16);\n}\n");
}

std::string Helpers::reduce(Function function, Type type) {
  const char* names[] = {"add", "mul", "min", "max"};
  std::string name = std::string("reduce_") + names[int(function) - int(Function::ReduceAdd)] + "_" + suffix(type);
  Type half{type.dtype, type.lanes / 2}, scalar{type.dtype, 1};
  if (type.dtype == DType::Bool) {
    bool all = function == Function::ReduceMul || function == Function::ReduceMin;
    return all ? every(type.lanes) : some(type.lanes);
  }
  bool extreme = function == Function::ReduceMin || function == Function::ReduceMax;
  auto join = [&](const std::string& a, const std::string& b) {
    if (extreme && is_float(type.dtype))
      return min_max(function == Function::ReduceMin, half) + "(" + a + ", " + b + ")";
    if (extreme) return std::string(function == Function::ReduceMin ? "min(" : "max(") + a + ", " + b + ")";
    std::string op = function == Function::ReduceAdd ? " + " : " * ";
    if (is_float(type.dtype)) return a + op + b;
    std::string u = unsigned_name(half);
    if (half.lanes > 1) return "as_" + type_name(half) + "(as_" + u + "(" + a + ")" + op + "as_" + u + "(" + b + "))";
    // Through ulong, so that narrow operands are not promoted to a signed int that overflows.
    return "(" + type_name(half) + ")((ulong)" + a + op + "(ulong)" + b + ")";
  };
  std::string joined = join("x.lo", "x.hi");
  if (half.lanes > 1) joined = reduce(function, half) + "(" + joined + ")";
  return define(name, type, "static " + type_name(scalar) + " $F($T x) { return " + joined + "; }\n");
}

std::string Helpers::masked_load(Space space, Type type) {
  return define(memory_name("masked_load", space, type), type,
                "static $M $F(const $P $E* p, int$N m) {\n"
                "  if (" +
                    every(type.lanes) + "(m)) return " + vector_load(space, type, "p") +
                    ";\n"
                    "  $M v = ($M)(0);\n" +
                    per_lane(type.lanes, "  if (m.$L) v.$L = p[$I];\n") + "  return v;\n}\n",
                space);
}

std::string Helpers::load_part(Space space, Type type) {
  const std::string name = memory_name("load_part", space, type);
  if (type.lanes == 1) {
    return define(name, type, "static $M $F(const $P $E* p, int n) { return n > 0 ? *p : ($E)0; }\n", space);
  }
  const Type half{type.dtype, type.lanes / 2};
  const std::string n = std::to_string(half.lanes), rest = load_part(space, half);
  return define(name, type,
                "static $M $F(const $P $E* p, int n) {\n"
                "  const int whole = n >= " +
                    n +
                    ";\n"
                    "  $H h = ($H)(0);\n"
                    "  if (whole) {\n    h = " +
                    (half.lanes == 1 ? "*p" : vector_load(space, half, "p")) +
                    ";\n"
                    "    p += " +
                    n + ";\n    n -= " + n +
                    ";\n  }\n"
                    "  const $H r = " +
                    rest +
                    "(p, n);\n"
                    "  return whole ? ($M)(h, r) : ($M)(r, ($H)(0));\n}\n",
                space);
}

std::string Helpers::load_first(Space space, Type type) {
  return define(memory_name("load_first", space, type), type,
                "static $M $F(const $P $E* p, int n) {\n  if (n >= $N) return " + vector_load(space, type, "p") +
                    ";\n  return " + load_part(space, type) + "(p, n);\n}\n",
                space);
}

std::string Helpers::gather(Space space, Type type, bool masked) {
  return define(
      memory_name(masked ? "masked_gather" : "gather", space, type), type,
      "static $M $F(const $P $E* p, long$N i" + std::string(masked ? ", int$N m" : "") + ") {\n  $M v = ($M)(0);\n" +
          per_lane(type.lanes, masked ? "  if (m.$L) v.$L = p[i.$L];\n" : "  v.$L = p[i.$L];\n") + "  return v;\n}\n",
      space);
}

std::string Helpers::masked_store(Space space, Type type) {
  return define(memory_name("masked_store", space, type), type,
                "static void $F($P $E* p, $M v, int$N m) {\n"
                "  if (" +
                    every(type.lanes) + "(m)) {\n    " + vector_store(space, type, "p", "v") + "\n    return;\n  }\n" +
                    per_lane(type.lanes, "  if (m.$L) p[$I] = v.$L;\n") + "}\n",
                space);
}

std::string Helpers::store_part(Space space, Type type) {
  const std::string name = memory_name("store_part", space, type);
  if (type.lanes == 1) {
    return define(name, type, "static void $F($P $E* p, $M v, int n) {\n  if (n > 0) *p = v;\n}\n", space);
  }
  const Type half{type.dtype, type.lanes / 2};
  const std::string n = std::to_string(half.lanes), rest = store_part(space, half);
  return define(name, type,
                "static void $F($P $E* p, $M v, int n) {\n"
                "  $H h = v.lo;\n"
                "  if (n >= " +
                    n + ") {\n    " + (half.lanes == 1 ? "*p = h;" : vector_store(space, half, "p", "h")) +
                    "\n    p += " + n + ";\n    n -= " + n +
                    ";\n    h = v.hi;\n  }\n"
                    "  " +
                    rest + "(p, h, n);\n}\n",
                space);
}

std::string Helpers::store_first(Space space, Type type) {
  return define(memory_name("store_first", space, type), type,
                "static void $F($P $E* p, $M v, int n) {\n  if (n >= $N) {\n    " +
                    vector_store(space, type, "p", "v") + "\n  } else {\n    " + store_part(space, type) +
                    "(p, v, n);\n  }\n}\n",
                space);
}

std::string Helpers::scatter(Space space, Type type, bool masked) {
  return define(memory_name(masked ? "masked_scatter" : "scatter", space, type), type,
                "static void $F($P $E* p, long$N i, $M v" + std::string(masked ? ", int$N m" : "") + ") {\n" +
                    per_lane(type.lanes, masked ? "  if (m.$L) p[i.$L] = v.$L;\n" : "  p[i.$L] = v.$L;\n") + "}\n",
                space);
}

}  // namespace sardonyx::opencl
