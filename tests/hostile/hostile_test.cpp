// Every row of the table, on the CPU: the interpreter and compiled code agree on every hostile value, whether the
// compiler knows it or only the run, and say what ONNX defines where it does.
#include <chrono>

#include "tests/hostile/run.h"

namespace sardonyx::hostile {
namespace {

// No value takes longer than this to be refused or computed, under a sanitizer too.
constexpr std::chrono::seconds patience(20);

std::span<const backends::DeviceInfo> host() {
  static const std::vector<backends::DeviceInfo> devices = backends::registry().front()->discover();
  return devices;
}

std::string to_string(const Tensor& tensor) { return to_string(Result{{tensor}, {}}); }

// Lowering needs to know more than it is told: a refusal that says so, not a judgement of the value.
bool is_declined(const Error& error) {
  return error.status() == Status::UnsupportedShape || error.status() == Status::UnsupportedAttribute;
}

class HostileRow : public testing::TestWithParam<size_t> {
 protected:
  const Row& row() const { return rows()[GetParam()]; }

  // A row in one form whose value is an input: one compiled program for all values of a type.
  struct Program {
    std::unique_ptr<graph::Graph> graph;
    std::optional<Compiled> compiled;
    std::optional<Error> refusal;  // by lowering or by the compiler
    bool lowered = false;
  };

  Program make(const Tensor& value, Form form) const {
    Program program;
    try {
      program.graph = build(row(), value, form);
      program.lowered = true;
      program.compiled.emplace(*program.graph, host());
    } catch (const Error& error) {
      program.refusal = error;
    }
    return program;
  }

  Program& program_of(const Tensor& value, Form form) {
    for (auto& [type, program] : programs_[int(form)])
      if (type.dtype() == value.dtype() && type.dims() == value.dims()) return program;
    return programs_[int(form)].emplace_back(value, make(value, form)).second;
  }

  // Nothing when the form is declined for this value.
  std::optional<Result> run(const Tensor& value, Form form, bool must_agree = true) {
    if (form == Form::Symbolic && !row().symbolic) return {};
    SCOPED_TRACE(hostile::to_string(form));
    Program fresh;
    if (form == Form::Constant) fresh = make(value, form);
    Program& program = form == Form::Constant ? fresh : program_of(value, form);
    if (!program.lowered) {
      if (form != Form::Constant && is_declined(*program.refusal)) return {};
      return Result{{}, program.refusal};
    }
    const std::vector<Tensor> inputs = inputs_of(row(), value, form);
    const Result interpreted = result_of([&] { return graph::interpret(*program.graph, inputs); });
    Result compiled{{}, program.refusal};
    if (program.compiled) compiled = program.compiled->run(inputs);
    EXPECT_TRUE(!must_agree || agree(interpreted, compiled))
        << "interpreted: " << hostile::to_string(interpreted) << "\n   compiled: " << hostile::to_string(compiled);
    return compiled;
  }

  std::vector<std::pair<Tensor, Program>> programs_[3];
};

TEST_P(HostileRow, IsRefusedOrDefined) {
  const Row& row = this->row();
  const size_t control = size_t(row.argument < 0 ? row.control : row.argument);
  if (row.honest) {
    for (Form form : {Form::Static, Form::Symbolic, Form::Constant}) {
      const auto result = run(row.test.inputs[control], form);
      if (result && result->error) ADD_FAILURE() << hostile::to_string(form) << ", honest: " << result->error->text();
    }
  }
  for (const Hostile& hostile : row.values) {
    SCOPED_TRACE(str("value ", to_string(hostile.value)));
    const auto start = std::chrono::steady_clock::now();
    const bool must_agree = hostile.outcome != Outcome::Ends;
    std::optional<Result> first;
    for (Form form : {Form::Constant, Form::Static, Form::Symbolic}) {
      const std::optional<Result> result = run(hostile.value, form, must_agree);
      if (!result) continue;
      const std::string what = str(hostile::to_string(form), ": ", hostile::to_string(*result));
      if (result->error) {
        EXPECT_NE(result->error->text(), "") << what;
      }
      if (hostile.outcome == Outcome::Fails) {
        EXPECT_TRUE(result->error.has_value()) << what << ", but must fail";
      }
      if (hostile.outcome == Outcome::Gives) {
        const Result defined{hostile.results, {}};
        EXPECT_TRUE(agree(*result, defined)) << what << ", but is defined as " << hostile::to_string(defined);
      }
      if (!first) first = result;
      EXPECT_TRUE(!must_agree || agree(*result, *first))
          << what << ", but as a constant " << hostile::to_string(*first);
    }
    EXPECT_LT(std::chrono::steady_clock::now() - start, patience);
  }
}

INSTANTIATE_TEST_SUITE_P(Table, HostileRow, testing::Range(size_t{0}, rows().size()), name_of);

}  // namespace
}  // namespace sardonyx::hostile
