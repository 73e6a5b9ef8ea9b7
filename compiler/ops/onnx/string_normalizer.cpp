// StringNormalizer: drops stop words and changes the case of what is left. Case follows Unicode's simple mappings.
#include <clocale>
#include <cwctype>
#include <set>

#include "compiler/ops/host_functions.h"
#include "compiler/ops/lowering.h"
#include "compiler/ops/onnx/versions.h"
#include "runtime/base/status.h"

namespace sardonyx::ops {
namespace {

enum class Case { None, Lower, Upper };

// The C library's character classes of UTF-8; null where the system has none, and then ASCII alone changes.
locale_t utf8_locale() {
  static const locale_t locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  return locale;
}

// Code point at `at` and its number of bytes; 0 bytes where the text is not UTF-8.
struct Decoded {
  uint32_t code = 0;
  size_t bytes = 0;
};

Decoded decode(std::string_view text, size_t at) {
  const auto first = uint8_t(text[at]);
  const size_t bytes = first < 0x80 ? 1 : first >> 5 == 6 ? 2 : first >> 4 == 14 ? 3 : first >> 3 == 30 ? 4 : 0;
  if (bytes == 0 || at + bytes > text.size()) return {};
  uint32_t code = bytes == 1 ? first : first & (0x7Fu >> bytes);
  for (size_t i = 1; i < bytes; ++i) {
    const auto next = uint8_t(text[at + i]);
    if (next >> 6 != 2) return {};
    code = code << 6 | (next & 0x3Fu);
  }
  return {code, bytes};
}

void encode(uint32_t code, std::string& out) {
  if (code < 0x80) {
    out += char(code);
  } else if (code < 0x800) {
    out += {char(0xC0 | code >> 6), char(0x80 | (code & 0x3F))};
  } else if (code < 0x10000) {
    out += {char(0xE0 | code >> 12), char(0x80 | (code >> 6 & 0x3F)), char(0x80 | (code & 0x3F))};
  } else {
    out += {char(0xF0 | code >> 18), char(0x80 | (code >> 12 & 0x3F)), char(0x80 | (code >> 6 & 0x3F)),
            char(0x80 | (code & 0x3F))};
  }
}

uint32_t changed(uint32_t code, Case to) {
  if (const locale_t locale = utf8_locale())
    return uint32_t(to == Case::Lower ? towlower_l(wint_t(code), locale) : towupper_l(wint_t(code), locale));
  const bool lower = code >= 'a' && code <= 'z', upper = code >= 'A' && code <= 'Z';
  return to == Case::Lower && upper ? code + 32 : to == Case::Upper && lower ? code - 32 : code;
}

std::string with_case(std::string_view text, Case to) {
  if (to == Case::None) return std::string(text);
  std::string result;
  for (size_t at = 0; at < text.size();) {
    const Decoded character = decode(text, at);
    if (character.bytes == 0) {
      result += text[at++];  // not UTF-8: stays
      continue;
    }
    encode(changed(character.code, to), result);
    at += character.bytes;
  }
  return result;
}

// Parameters: "case sensitive". Operands: texts [C], stop words.
std::vector<Tensor> normalize(const std::string& parameters, std::span<const Tensor> operands) {
  const auto to = Case(parameters[0] - '0');
  const bool sensitive = parameters[2] == '1';
  const auto key = [&](std::string_view text) { return sensitive ? std::string(text) : with_case(text, Case::Lower); };
  std::set<std::string> stops;
  for (int64_t i = 0; i < operands[1].count(); ++i) stops.insert(key(operands[1].text(i)));
  std::vector<std::string> kept;
  for (int64_t i = 0; i < operands[0].count(); ++i)
    if (!stops.count(key(operands[0].text(i)))) kept.push_back(with_case(operands[0].text(i), to));
  if (kept.empty()) kept.emplace_back();
  return {Tensor::strings({int64_t(kept.size())}, std::span<const std::string>(kept))};
}

std::vector<Value*> lower(Lowering& in) {
  auto& b = in.builder();
  Value* x = in[0];
  const int rank = x->type.rank();
  in.require(x->type.dtype == DType::String, Status::InvalidModel, "the input is ", graph::to_string(x->type),
             ", expected strings");
  const auto rows = rank == 2 ? expr::as_int(x->type.dims[0]) : std::nullopt;
  in.require(rank == 1 || (rank == 2 && rows.value_or(1) == 1), Status::InvalidModel, "the input is ",
             graph::to_string(x->type), ", expected [C] or [1,C]");
  const std::string action = in.attr_string("case_change_action", "NONE");
  in.require(action == "NONE" || action == "LOWER" || action == "UPPER", Status::InvalidModel, "case_change_action '",
             action, "' is unknown");
  const auto to = action == "LOWER" ? Case::Lower : action == "UPPER" ? Case::Upper : Case::None;
  const std::vector<std::string> words = in.attr_strings("stopwords", std::vector<std::string>{});
  Value* stops = b.constant(Tensor::strings({int64_t(words.size())}, std::span(words)));
  if (rank == 2) x = b.reshape(x, {graph::element_count(x->type)});
  const Expr count = b.graph().fresh_symbol("kept");
  const std::string parameters = str(int(to), ' ', in.attr_int("is_case_sensitive", 0) != 0 ? 1 : 0);
  Value* kept = b.value_call("normalize_texts", parameters, {x, stops}, {{DType::String, {count}, {}}})[0];
  return {rank == 2 ? b.reshape(kept, {1, count}) : kept};
}

const HostFunctionEntry entry{{.name = "normalize_texts", .run = normalize}};
const OnnxOp op{operator_row("StringNormalizer", {10}, lower, {1, 1}, {1, 1}, Execution::Host)};

}  // namespace
}  // namespace sardonyx::ops
