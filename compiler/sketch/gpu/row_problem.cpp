#include "compiler/sketch/gpu/row_problem.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "compiler/sketch/map.h"
#include "runtime/base/strings.h"

namespace sardonyx::sketch::gpu {

using expr::Buffer;
using expr::Kind;
using tensor::Index;
using tensor::Reduce;

namespace {

constexpr double costly_ns = 2.5;

// Buffers that depend on a reduction of the program.
std::unordered_set<const Buffer*> behind_reductions(const Program& program) {
  std::unordered_set<const Buffer*> behind;
  for (const Stage& stage : program.stages) {
    bool found = stage.reduce != Reduce::None;
    for (const Expr& load : loads_of(stage.body)) found = found || behind.count(load->buffer.get()) > 0;
    if (found) behind.insert(stage.output.get());
  }
  return behind;
}

size_t rank_of_rows(const Program& program) {
  for (const Stage& stage : program.stages) {
    if (stage.reduce != Reduce::None) return stage.axes.size();
  }
  return 0;
}

// Inlines maps but those whose values are worth keeping: values per row that larger stages read, and costly elements
// that several stages read.
Program inlined(const Program& program, bool keep_elements) {
  const auto behind = behind_reductions(program);
  const size_t row_rank = rank_of_rows(program);
  return inline_pointwise(program, [&](const Stage& stage) {
    if (!behind.count(stage.output.get())) return false;
    int readers = 0;
    bool larger = false;
    for (const Stage& user : program.stages) {
      bool reads = !loads_of(user.body, stage.output.get()).empty();
      readers += reads;
      larger = larger || (reads && user.axes.size() + user.reduce_axes.size() > stage.axes.size());
    }
    if (stage.axes.size() <= row_rank) return larger;
    return keep_elements && readers > 1 && scalar_cost_ns(stage.body) > costly_ns;
  });
}

// Finds which axis of every stage is which row.
class Analysis {
 public:
  explicit Analysis(const Program& program) : program_(program) {}

  std::variant<RowProblem, Refusal> run() {
    const Stage& first = *std::find_if(program_.stages.begin(), program_.stages.end(),
                                       [](const Stage& s) { return s.reduce != Reduce::None; });
    expr::Substitution at;
    for (const Axis& axis : first.axes) {
      problem_.rows.push_back({loop_var(axis.var->name, axis.extent), axis.extent});
      at[axis.var.get()] = Expr(problem_.rows.back().var);
    }
    first_loads_ = loads_of(tensor::substitute_shared(first.body, at));
    for (const Stage& stage : program_.stages) {
      std::vector<int> roles(stage.axes.size(), element);
      if (&stage == &first) {
        for (size_t i = 0; i < roles.size(); ++i) roles[i] = int(i);
      } else if (auto refusal = find_roles(stage, roles)) {
        return *refusal;
      }
      if (auto refusal = place(stage, roles)) return *refusal;
    }
    return std::move(problem_);
  }

 private:
  static constexpr int element = -1;

  // From what the stage reads of earlier stages; without that, from inputs that it reads like the first reduction.
  std::optional<Refusal> find_roles(const Stage& stage, std::vector<int>& roles) const {
    bool found = false;
    std::vector<Expr> loads = loads_of(stage.body);
    for (const Expr& load : loads) {
      auto producer = roles_.find(load->buffer.get());
      if (producer == roles_.end()) continue;
      for (size_t d = 0; d < load->args.size(); ++d) {
        int role = producer->second[d];
        if (role == element || expr::is_const(problem_.rows[size_t(role)].extent, 1)) continue;
        int axis = axis_of(stage, load->args[d]);
        if (axis < 0) return Refusal{stage.name + " reads another row than its own"};
        if (roles[size_t(axis)] != element && roles[size_t(axis)] != role) return Refusal{stage.name + " mixes rows"};
        roles[size_t(axis)] = role;
        found = true;
      }
    }
    if (found) return std::nullopt;
    for (const Expr& load : loads) {
      for (const Expr& like : first_loads_) {
        if (like->buffer != load->buffer) continue;
        for (size_t d = 0; d < load->args.size(); ++d) {
          int axis = axis_of(stage, load->args[d]), row = row_of(like->args[d]);
          if (axis >= 0 && row >= 0) roles[size_t(axis)] = row;
        }
      }
    }
    return std::nullopt;
  }

  // Adds the stage over the common rows.
  std::optional<Refusal> place(const Stage& stage, const std::vector<int>& roles) {
    std::vector<bool> seen(problem_.rows.size());
    expr::Substitution at;
    RowStage result{stage.output, is_output(program_, stage.output), stage.reduce, stage.reduce_axes, {}, Expr()};
    for (size_t i = 0; i < roles.size(); ++i) {
      const Axis& axis = stage.axes[i];
      if (roles[i] == element) {
        if (expr::is_const(axis.extent, 1)) {
          result.index.emplace_back(0);
          at[axis.var.get()] = 0;
          continue;
        }
        if (stage.reduce != Reduce::None) return Refusal{stage.name + " keeps an axis that is no row"};
        result.elements.push_back(axis);
        result.index.emplace_back(axis.var);
        continue;
      }
      const Axis& row = problem_.rows[size_t(roles[i])];
      if (seen[size_t(roles[i])] || !expr::prove_equal(row.extent, axis.extent))
        return Refusal{stage.name + " mixes rows"};
      seen[size_t(roles[i])] = true;
      result.index.emplace_back(row.var);
      at[axis.var.get()] = Expr(row.var);
    }
    for (size_t r = 0; r < seen.size(); ++r) {
      if (!seen[r] && !expr::is_const(problem_.rows[r].extent, 1))
        return Refusal{stage.name + " is not over every row"};
    }
    std::string why;
    result.body = tensor::substitute_shared(
        tensor::mutate_shared(stage.body,
                              [&](const Expr& x) { return x->kind == Kind::Load ? handed_over(x, result, why) : x; }),
        at);
    if (!why.empty()) return Refusal{stage.name + why};
    roles_[stage.output.get()] = roles;
    problem_.stages.push_back(std::move(result));
    return std::nullopt;
  }

  // A load of another stage's value: the index, which is the reader's own row and element, becomes 0.
  Expr handed_over(const Expr& load, const RowStage& reader, std::string& why) const {
    auto producer = roles_.find(load->buffer.get());
    if (producer == roles_.end()) return load;
    const RowStage* stage = nullptr;
    for (const RowStage& s : problem_.stages) {
      if (s.output == load->buffer) stage = &s;
    }
    size_t next = 0;
    for (size_t d = 0; d < load->args.size() && !stage->per_row(); ++d) {
      if (producer->second[d] != element || expr::is_const(load->buffer->dims[d], 1)) continue;
      const Expr& at = load->args[d];
      bool own = next < reader.elements.size() && at->kind == Kind::Var && at->var == reader.elements[next].var &&
                 expr::prove_equal(reader.elements[next].extent, load->buffer->dims[d]);
      if (!own) why = " reads elements in another order";
      ++next;
    }
    if (!stage->per_row() && next != reader.elements.size()) why = " reads elements in another order";
    return expr::load(load->buffer, {0});
  }

  int row_of(const Expr& index) const {
    for (size_t r = 0; r < problem_.rows.size(); ++r) {
      if (index->kind == Kind::Var && index->var == problem_.rows[r].var) return int(r);
    }
    return -1;
  }

  static int axis_of(const Stage& stage, const Expr& index) {
    for (size_t i = 0; i < stage.axes.size(); ++i) {
      if (index->kind == Kind::Var && index->var == stage.axes[i].var) return int(i);
    }
    return -1;
  }

  const Program& program_;
  RowProblem problem_;
  std::vector<Expr> first_loads_;                              // of the first reduction, over the common rows
  std::unordered_map<const Buffer*, std::vector<int>> roles_;  // of a stage's output, per dim: its row, or `element`
};

}  // namespace

std::variant<RowProblem, Refusal> row_problem(const Program& program, bool keep_elements) {
  bool reduces = false;
  for (const Stage& stage : program.stages) {
    if (stage.scan_axis >= 0) return Refusal{"stage " + stage.name + " is a scan"};
    reduces = reduces || stage.reduce != Reduce::None;
  }
  if (!reduces) return Refusal{"nothing is reduced"};
  return Analysis(inlined(program, keep_elements)).run();
}

}  // namespace sardonyx::sketch::gpu
