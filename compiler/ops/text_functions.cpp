// Host functions behind the builder's calls on strings: moving, ranking, reading and showing.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>
#include <string_view>

#include "compiler/ops/host_functions.h"
#include "runtime/base/status.h"

namespace sardonyx::ops {
namespace {

// Operands: numbers, then texts, whose elements are numbered through.
std::vector<Tensor> take_texts(const std::string&, std::span<const Tensor> operands) {
  const Tensor& numbers = operands[0];
  std::vector<std::string_view> result;
  result.reserve(size_t(numbers.count()));
  for (int64_t i = 0; i < numbers.count(); ++i) {
    int64_t number = numbers.as_int(i);
    size_t source = 1;
    while (source < operands.size() && number >= operands[source].count()) number -= operands[source++].count();
    require(number >= 0 && source < operands.size(), Status::InternalError, "index out of range");
    result.push_back(operands[source].text(number));
  }
  return {Tensor::strings(numbers.dims(), result)};
}

std::vector<Tensor> text_ranks(const std::string&, std::span<const Tensor> operands) {
  std::vector<std::string_view> texts;
  for (const Tensor& operand : operands)
    for (int64_t i = 0; i < operand.count(); ++i) texts.push_back(operand.text(i));
  std::vector<std::string_view> distinct = texts;
  std::sort(distinct.begin(), distinct.end());
  distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
  std::vector<Tensor> results;
  size_t next = 0;
  for (const Tensor& operand : operands) {
    Tensor ranks(DType::I64, operand.dims());
    for (int64_t i = 0; i < operand.count(); ++i)
      ranks.data<int64_t>()[i] = std::lower_bound(distinct.begin(), distinct.end(), texts[next++]) - distinct.begin();
    results.push_back(std::move(ranks));
  }
  return results;
}

// Shortest decimal digits that read back as the same number, as numpy shows them: 0.1, 1.0, 1e-05, 1e+16.
template <class T>
std::string shown(T value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value < 0 ? "-INF" : "INF";
  char buffer[400];
  const double magnitude = std::abs(double(value));
  const bool plain = value == 0 || (magnitude >= 1e-4 && magnitude < 1e16);
  const auto format = plain ? std::chars_format::fixed : std::chars_format::scientific;
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, format).ptr;
  std::string text(buffer, end);
  if (plain && text.find('.') == std::string::npos) text += ".0";
  return text;
}

// A half has its own shortest digits: fewer than a float's.
std::string shown_narrow(const Tensor& x, int64_t i) {
  const double value = x.as_double(i);
  if (!std::isfinite(value) || value == 0) return shown(float(value));
  Tensor probe(x.dtype(), {});
  for (int digits = 1; digits < 9; ++digits) {
    char buffer[40];
    const auto end =
        std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific, digits - 1).ptr;
    double rounded = 0;
    std::from_chars(buffer, end, rounded);
    probe.set_double(0, rounded);
    if (probe.as_double(0) == value) return shown(rounded);
  }
  return shown(float(value));
}

std::string shown_element(const Tensor& x, int64_t i) {
  switch (x.dtype()) {
    case DType::F32:
      return shown(x.data<float>()[i]);
    case DType::F64:
      return shown(x.data<double>()[i]);
    case DType::Bool:
      return x.as_int(i) ? "True" : "False";
    case DType::U64:
      return std::to_string(x.data<uint64_t>()[i]);
    default:
      return is_float(x.dtype()) ? shown_narrow(x, i) : std::to_string(x.as_int(i));
  }
}

std::vector<Tensor> show_numbers(const std::string&, std::span<const Tensor> operands) {
  const Tensor& x = operands[0];
  std::vector<std::string> texts;
  for (int64_t i = 0; i < x.count(); ++i) texts.push_back(shown_element(x, i));
  return {Tensor::strings(x.dims(), texts)};
}

bool same_letters(std::string_view text, std::string_view lower) {
  return std::equal(text.begin(), text.end(), lower.begin(), lower.end(),
                    [](char a, char b) { return (a >= 'A' && a <= 'Z' ? char(a - 'A' + 'a') : a) == b; });
}

// All of the text as a number; blanks around it and a plus sign are let pass. False when it is none.
template <class T>
bool read_as(std::string_view text, T& value) {
  if (!text.empty() && text.front() == '+') text.remove_prefix(1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blanks = " \t\n\r\f\v";
  const size_t first = text.find_first_not_of(blanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

void read_element(std::string_view text, Tensor& result, int64_t i) {
  const std::string_view word = trimmed(text);
  bool understood = false;
  visit_dtype(result.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T value{};
    double number = 0;
    if constexpr (std::is_same_v<T, bool>) {
      const bool yes = same_letters(word, "true"), no = same_letters(word, "false");
      understood = yes || no || read_as(word, number);
      value = yes || (!no && number != 0);
    } else if constexpr (std::is_floating_point_v<T>) {
      understood = read_as(word, value);           // knows inf and nan in any case
      if (!understood && read_as(word, number)) {  // beyond the range of a float: infinite or zero
        understood = true;
        value = T(number);
      }
    } else {
      understood = read_as(word, value);
      if (!understood && read_as(word, number) && number > -0x1p63 && number < 0x1p63) {  // "100.5" is 100
        understood = true;
        value = T(int64_t(number));
      }
    }
    result.data<T>()[i] = value;
  });
  require(understood, Status::InternalError, "'", text.substr(0, 64), "' is not a number of type ",
          dtype_name(result.dtype()));
}

// Parameters: the type's name.
std::vector<Tensor> read_numbers(const std::string& parameters, std::span<const Tensor> operands) {
  const Tensor& x = operands[0];
  Tensor result(dtype_from_name(parameters), x.dims());
  for (int64_t i = 0; i < x.count(); ++i) read_element(x.text(i), result, i);
  return {result};
}

const HostFunctionEntry entries[] = {
    HostFunctionEntry{{.name = "take_texts", .run = take_texts}},
    HostFunctionEntry{{.name = "text_ranks", .run = text_ranks}},
    HostFunctionEntry{{.name = "show_numbers", .run = show_numbers}},
    HostFunctionEntry{{.name = "read_numbers", .run = read_numbers}},
};

}  // namespace
}  // namespace sardonyx::ops
