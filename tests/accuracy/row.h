// The table of docs/accuracy.md: what is measured, and the bound that is promised.
//
// A row is a computation with fixed numbers, compiled and run as a user's graph is, compared with double precision or
// better. To add one: a line in one of the *_rows.cpp; a family is a heading of the page.
#pragma once
#include <functional>
#include <string>
#include <vector>

namespace sardonyx::accuracy {

enum class Measure {
  Ulp,       // units in the last place of the right result, in F32
  Largest,   // of the largest magnitude among the results
  Absolute,  // plain difference
  Codes,     // integers that differ, of a million
  Rms,       // root mean square of the error over that of the results
};

struct Row {
  std::string family;
  std::string what;
  Measure measure = Measure::Largest;
  double bound = 0;
  std::function<double()> error;  // what is measured: the largest error, but for Codes and Rms
};

std::vector<Row> contraction_rows();
std::vector<Row> reduction_rows();
std::vector<Row> function_rows();
std::vector<Row> quantized_rows();

// All rows, families together, in the order of the page.
std::vector<Row> all_rows();

}  // namespace sardonyx::accuracy
