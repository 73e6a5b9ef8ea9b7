// Collects the findings of all stages while a model is read, so that one report names every problem.
//
// The order of the report is the order of the stages of ONNXIFI's model checks and, inside a stage, the order in which
// problems were met; only versions that are too new come behind the other findings of stage 2. The first finding
// decides the status:
//   Findings findings;
//   findings.add(4, Status::UnsupportedOperator, "conv1", "node 'conv1' (Konv): no such operator");
//   throw_if_any(findings.report());
#pragma once
#include <set>
#include <string>
#include <string_view>

#include "importer/import.h"

namespace sardonyx::importer {

class Findings {
 public:
  // Repeated findings (a body built twice) are kept once; behind max_findings nothing is kept.
  void add(int stage, Status status, std::string node, std::string text);
  bool empty() const { return report_.findings.empty(); }
  Report report() const;

 private:
  Report report_;
  std::set<std::string> seen_;
};

// Throws Error with the status of the first finding and the text of all, unless there is none.
void throw_if_any(const Report& report);

// A name from a model as it may appear in a message: control characters and quotes escaped, at most 120 bytes.
std::string printable(std::string_view name);

}  // namespace sardonyx::importer
