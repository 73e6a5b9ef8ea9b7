// Measures every row of the table against its bound; `--page` prints docs/accuracy.md instead, `--measure` the rows
// with what they measure.
#include <gtest/gtest.h>

#include <iostream>
#include <sstream>

#include "runtime/base/strings.h"
#include "tests/accuracy/row.h"

namespace sardonyx::accuracy {

std::vector<Row> all_rows() {
  std::vector<Row> rows;
  for (const auto& part : {contraction_rows(), reduction_rows(), function_rows(), quantized_rows()})
    rows.insert(rows.end(), part.begin(), part.end());
  return rows;
}

namespace {

constexpr const char* introduction = R"(# Accuracy

How far results are from those of exact arithmetic, by kind of kernel. `tests/accuracy` measures every row with fixed
numbers, on kernels that are compiled and run as a user's are, against double precision or better, and fails above the
bound; `test_accuracy --page` prints this page. Bounds are what was measured on a CPU with AVX-512 and a margin of about
a half: other numbers, depths and CPUs give other errors of the same size. Units:

- ulp: units in the last place of the right result in F32 (1.2e-7 to 6e-8 of it);
- of the largest: the largest error over the largest result of the layer. Results near zero may be relatively worse;
- absolute: the difference;
- rms: root mean square of the errors over that of the results.

Convolutions and products are of normal numbers and weights of deviation sqrt(2 / products), all rows and columns of
tiles and all edges included. `SARDONYX_EXACT` keeps Winograd's algorithm out. With `SARDONYX_DETERMINISTIC` sums are
direct and in one order. Only `SARDONYX_FAST_MATH` lets operands be rounded to bf16. Trained weights, outliers and the
growth of errors through a network are not measured here.
)";

std::string text(Measure measure, double value) {
  std::ostringstream stream;
  stream.precision(2);
  switch (measure) {
    case Measure::Ulp:
      stream << value << " ulp";
      break;
    case Measure::Largest:
      stream << value << " of the largest";
      break;
    case Measure::Absolute:
      stream << value << " absolute";
      break;
    case Measure::Codes:
      stream << value << " of a million";
      break;
    case Measure::Rms:
      stream << value << " rms";
      break;
  }
  return stream.str();
}

void print_page(bool measure) {
  if (!measure) std::cout << introduction;
  std::string family;
  for (const Row& row : all_rows()) {
    if (row.family != family) std::cout << "\n## " << row.family << "\n\n| what | error at most |\n| --- | --- |\n";
    family = row.family;
    std::cout << "| " << row.what << " | " << text(row.measure, row.bound);
    if (measure) std::cout << " | " << text(row.measure, row.error());
    std::cout << " |" << std::endl;
  }
}

class Accuracy : public testing::TestWithParam<Row> {};

TEST_P(Accuracy, IsWithinItsBound) {
  const Row& row = GetParam();
  const double error = row.error();
  EXPECT_LE(error, row.bound) << row.family << ", " << row.what << ": " << text(row.measure, error);
}

INSTANTIATE_TEST_SUITE_P(Rows, Accuracy, testing::ValuesIn(all_rows()),
                         [](const auto& info) { return str("row", info.index); });

}  // namespace
}  // namespace sardonyx::accuracy

int main(int argc, char** argv) {
  const std::string option = argc > 1 ? argv[1] : "";
  if (option == "--page" || option == "--measure") {
    sardonyx::accuracy::print_page(option == "--measure");
    return 0;
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
