#include "tools/distribution.h"

#include <algorithm>
#include <cmath>

#include "runtime/base/strings.h"
#include "tools/usage_error.h"

namespace sardonyx::tools {

namespace {

constexpr double deviations = 6;  // one false alarm in 500 million

// One element of one run: the probability of what is drawn, and whether it was.
struct Draw {
  double probability = 0;
  bool hit = false;
};

// Sums over draws, and whether they are as likely as they should be.
class Tally {
 public:
  void add(const Draw& draw) {
    excess_ += draw.hit - draw.probability;
    variance_ += draw.probability * (1 - draw.probability);
  }
  bool fits() const { return std::abs(excess_) <= deviations * std::sqrt(variance_) + 1e-9; }
  std::string text() const {
    return str("differs by ", excess_, " from what is expected, of a standard deviation of ", std::sqrt(variance_));
  }

 private:
  double excess_ = 0, variance_ = 0;
};

std::string impossible(const HostTensor& output, int64_t index, const std::string& expected) {
  return str("output '", output.name, "': element ", index, " is ", output.number(index), ", but only ", expected,
             " are possible");
}

// Appends a run's draws; a text when a value is impossible.
template <int success>
std::string draws_of_bernoulli(const std::vector<HostTensor>& inputs, const std::vector<HostTensor>& outputs,
                               std::vector<Draw>& draws) {
  for (int64_t i = 0; i < outputs[0].element_count(); ++i) {
    const double value = outputs[0].number(i);
    if (value != 0 && value != 1) return impossible(outputs[0], i, "0 and 1");
    draws.push_back({inputs[0].number(i), value == success});
  }
  return "";
}

std::string draws_of_dropout(const std::vector<HostTensor>& inputs, const std::vector<HostTensor>& outputs,
                             std::vector<Draw>& draws) {
  const double keep = 1 - (inputs.size() > 1 ? inputs[1].number(0) : 0.5);
  for (int64_t i = 0; i < outputs[0].element_count(); ++i) {
    const double value = outputs[0].number(i), kept = inputs[0].number(i) / keep;
    const bool is_kept = value != 0;
    if (is_kept && std::abs(value - kept) > 1e-3 * std::abs(kept)) {
      return impossible(outputs[0], i, str("0 and ", kept));
    }
    if (kept == 0) continue;  // zero either way: says nothing about chance
    if (outputs.size() > 1 && (outputs[1].number(i) != 0) != is_kept) {
      return str("output '", outputs[1].name, "': element ", i, " contradicts output '", outputs[0].name, "'");
    }
    draws.push_back({keep, is_kept});
  }
  return "";
}

struct Kind {
  const char* name;
  Chance chance;
  std::string (*draws)(const std::vector<HostTensor>& inputs, const std::vector<HostTensor>& outputs,
                       std::vector<Draw>& draws);
};
const Kind kinds[] = {
    {"bernoulli", Chance::Bernoulli, draws_of_bernoulli<1>},
    {"bernoulli-complement", Chance::BernoulliComplement, draws_of_bernoulli<0>},
    {"dropout", Chance::Dropout, draws_of_dropout},
};

}  // namespace

Chance parse_chance(const std::string& text) {
  for (const Kind& kind : kinds)
    if (text == kind.name) return kind.chance;
  throw UsageError(str("'", text, "' is no distribution: bernoulli, bernoulli-complement or dropout"));
}

std::string misfit(Chance chance, const std::vector<HostTensor>& inputs,
                   const std::vector<std::vector<HostTensor>>& runs) {
  const auto kind = std::find_if(std::begin(kinds), std::end(kinds), [&](const Kind& k) { return k.chance == chance; });
  Tally all;
  std::vector<Tally> elements;
  for (size_t run = 0; run < runs.size(); ++run) {
    if (run > 0 && runs[run][0].bytes == runs[0][0].bytes) continue;
    std::vector<Draw> draws;
    const std::string text = kind->draws(inputs, runs[run], draws);
    if (!text.empty()) return text;
    elements.resize(draws.size());
    for (size_t i = 0; i < draws.size(); ++i) {
      all.add(draws[i]);
      elements[i].add(draws[i]);
    }
  }
  if (!all.fits()) return str("the sum of all draws ", all.text());
  for (size_t i = 0; i < elements.size(); ++i) {
    if (!elements[i].fits()) return str("draw ", i, " ", elements[i].text());
  }
  return "";
}

}  // namespace sardonyx::tools
