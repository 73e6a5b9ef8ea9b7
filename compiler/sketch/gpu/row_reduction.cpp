// Family "gpu_row_reduction": softmax, layer norm, reductions and arg-reductions with the maps around them.
//
// A work-group holds `group` rows; `split` lanes share a row. Each lane reduces every split-th element into a register,
// then the lanes' sums are reduced through Local memory, at most 16 at a time. Values per row stay in registers of all
// lanes of the row. Neighbouring lanes are neighbours in the row (along=0) or neighbouring rows (along=1), whichever is
// dense in memory. keep=1 holds costly elements in registers between two stages.
#include <algorithm>
#include <cmath>
#include <unordered_map>
#include <unordered_set>

#include "compiler/sketch/families.h"
#include "compiler/sketch/gpu/group.h"
#include "compiler/sketch/gpu/row_problem.h"
#include "compiler/sketch/map.h"

namespace sardonyx::sketch::gpu {

using expr::Buffer;
using expr::Kind;
using tensor::ForKind;
using tensor::Index;
using tensor::Reduce;

namespace {

constexpr int along_row = 0, along_columns = 1;
constexpr int64_t most_kept = 16;  // elements of a row that a lane holds in registers
constexpr int radix = 16;          // partial sums that one lane adds up

struct Knobs {
  int split = 1, group = 1, along = along_row;
  bool keep = false;
  int lanes() const { return split * group; }
};

Knobs knobs_of(const Point& point) {
  return {int(point.at("split")), int(point.at("group")), int(point.at("along")), point.at("keep") != 0};
}

class RowKernel {
 public:
  RowKernel(const RowProblem& problem, const Knobs& knobs) : p_(problem), k_(knobs), group_(knobs.lanes()) {
    bool along_rows = k_.along == along_row;
    part_ = along_rows ? group_.lane() % k_.split : group_.lane() / k_.group;
    member_ = along_rows ? group_.lane() / k_.split : group_.lane() % k_.group;
    row_count_ = points_of(p_.rows);
    blocks_ = expr::simplify(expr::ceil_div(row_count_, k_.group));
    block_ = loop_var("rows", blocks_);
    row_ = expr::make_var("row", {0, INT64_MAX, 1});  // in the last group perhaps beyond the rows
    where_ = positions(p_.rows, Expr(row_));
  }

  std::vector<Axis> grid() const { return {{block_, blocks_}}; }

  Stmt body() {
    for (const RowStage& stage : p_.stages) add(stage);
    flush();
    Stmt all = tensor::make_block(std::move(loops_));
    for (const BufferPtr& buffer : buffers_) all = tensor::make_allocate(buffer, all);
    return all;
  }

 private:
  void add(const RowStage& stage) {
    if (stage.reduce != Reduce::None) {
      reduce(stage);
    } else if (stage.per_row()) {
      per_row(stage, tensor::make_store(value_of(stage), {group_.lane(), 0}, translated(stage.body, 0)));
    } else {
      elements(stage);
    }
  }

  // Statements of one Lane loop gather until another lane's results are needed.
  void flush() {
    if (!pending_.empty()) loops_.push_back(group_.run(on_row(tensor::make_block(std::move(pending_)))));
    pending_.clear();
  }

  // The statement with the lane's row bound to `row`.
  Stmt on_row(const Stmt& s) const { return tensor::make_let(row_, Expr(block_) * k_.group + member_, s); }
  Expr row_exists() const { return expr::prove_divisible(row_count_, k_.group) ? Expr() : Expr(row_) < row_count_; }

  // The lane's copy of a value per row.
  BufferPtr value_of(const RowStage& stage) { return registers_for(stage, {1}); }
  BufferPtr registers_for(const RowStage& stage, std::vector<Expr> dims) {
    BufferPtr& buffer = values_[stage.output.get()];
    if (!buffer) {
      buffer = group_.registers(stage.output->name + "_row", stage.output->dtype, std::move(dims));
      buffers_.push_back(buffer);
    }
    return buffer;
  }

  // Finishes a stage whose value per row `compute` puts into registers.
  void per_row(const RowStage& stage, Stmt compute) {
    pending_.push_back(guarded(row_exists(), std::move(compute)));
    if (!stage.is_output) return;
    Expr value = expr::load(value_of(stage), {group_.lane(), 0});
    pending_.push_back(guarded(both(row_exists(), k_.split > 1 ? part_ == Expr(0) : Expr()),
                               tensor::make_store(stage.output, translated(stage.index), value)));
  }

  // An expression of a stage over the lane's row; kept elements are those of iteration `iteration`.
  Expr translated(const Expr& e, const Expr& iteration) const {
    Expr own = tensor::mutate_shared(e, [&](const Expr& x) -> Expr {
      if (x->kind != Kind::Load) return x;
      auto found = values_.find(x->buffer.get());
      if (found == values_.end()) return x;
      bool kept = kept_.count(x->buffer.get()) > 0;
      return expr::load(found->second, {group_.lane(), kept ? iteration : Expr(0)});
    });
    return tensor::substitute_shared(own, where_);
  }
  Index translated(const Index& index) const {
    Index result;
    for (const Expr& e : index) result.push_back(tensor::substitute_shared(e, where_));
    return result;
  }

  // The loop of a lane over its elements. `f` gets the iteration and the elements' positions.
  Stmt for_elements(const std::vector<Axis>& axes, const std::function<Stmt(const Expr&, const expr::Substitution&)>& f,
                    bool unrolled) const {
    Expr count = points_of(axes), share = expr::simplify(expr::ceil_div(count, k_.split));
    VarPtr i = loop_var("i", share), e = expr::make_var("element", {0, INT64_MAX, 1});
    Expr condition = row_exists();
    if (!expr::prove_divisible(count, k_.split)) condition = both(condition, Expr(e) < count);
    Stmt body = guarded(condition, f(Expr(i), positions(axes, Expr(e))));
    body = tensor::make_let(e, Expr(i) * k_.split + part_, body);
    return tensor::make_for(unrolled ? ForKind::Unrolled : ForKind::Serial, i, share, body);
  }

  void elements(const RowStage& stage) {
    bool kept = !stage.is_output || read_later(stage);
    BufferPtr registers;
    if (kept) {
      Expr share = expr::simplify(expr::ceil_div(points_of(stage.elements), k_.split));
      check(constant(share).value_or(most_kept + 1) <= most_kept, "elements of ", stage.output->name,
            " do not fit registers");
      registers = registers_for(stage, {share});
      kept_.insert(stage.output.get());
    }
    pending_.push_back(for_elements(
        stage.elements,
        [&](const Expr& i, const expr::Substitution& at) {
          Expr value = tensor::substitute_shared(translated(stage.body, i), at);
          std::vector<Stmt> stores;
          if (kept) {
            stores.push_back(tensor::make_store(registers, {group_.lane(), i}, value));
            value = expr::load(registers, {group_.lane(), i});
          }
          if (stage.is_output) {
            Index index;
            for (const Expr& e : translated(stage.index)) index.push_back(tensor::substitute_shared(e, at));
            stores.push_back(tensor::make_store(stage.output, index, value));
          }
          return tensor::make_block(std::move(stores));
        },
        kept || reads_kept(stage)));
  }

  bool reads_kept(const RowStage& stage) const {
    for (const Expr& load : loads_of(stage.body)) {
      if (kept_.count(load->buffer.get())) return true;
    }
    return false;
  }

  bool read_later(const RowStage& stage) const {
    bool read = false;
    for (const RowStage& other : p_.stages) read = read || !loads_of(other.body, stage.output.get()).empty();
    return read;
  }

  // Neighbouring reduction axes that every access walks as one become one, which saves divisions.
  std::pair<std::vector<Axis>, Expr> collapsed(const RowStage& stage) const {
    Index index;
    std::vector<Expr> dims;
    for (const Axis& axis : stage.elements) {
      index.emplace_back(axis.var);
      dims.push_back(axis.extent);
    }
    BufferPtr values = local_buffer("values", stage.output->dtype, dims);
    Map map = collapse({stage.elements, {{values, index, stage.body}}});
    return {map.axes, map.outputs[0].value};
  }

  void reduce(const RowStage& stage) {
    DType dtype = stage.output->dtype;
    BufferPtr sum = value_of(stage);
    Index own{group_.lane(), 0};
    auto [axes, body] = collapsed(stage);
    pending_.push_back(tensor::make_store(sum, own, tensor::identity_of(stage.reduce, dtype)));
    pending_.push_back(for_elements(
        axes,
        [&, body = body](const Expr& i, const expr::Substitution& at) {
          Expr value = tensor::substitute_shared(translated(body, i), at);
          return tensor::make_store(sum, own, tensor::combine(stage.reduce, expr::load(sum, own), value));
        },
        reads_kept(stage)));
    int parts = k_.split;
    BufferPtr shared;
    while (parts > 1) {
      shared = local_buffer(stage.output->name + "_parts", dtype, {parts * k_.group});
      buffers_.push_back(shared);
      Stmt give = tensor::make_store(shared, {slot(part_, parts)}, expr::load(sum, own));
      pending_.push_back(parts < k_.split ? tensor::make_if(part_ < Expr(parts), give) : give);
      flush();
      int left = parts > radix ? std::max(1, parts / radix) : 1, taken = parts / left;
      // The last step leaves the whole sum with every lane of the row.
      Expr first = left == 1 ? Expr(0) : part_;
      Expr total;
      for (int i = 0; i < taken; ++i) {
        Expr part = expr::load(shared, {slot(first + Expr(i * left), parts)});
        total = total.defined() ? tensor::combine(stage.reduce, total, part) : part;
      }
      Stmt take = tensor::make_store(sum, own, total);
      pending_.push_back(left == 1 ? take : tensor::make_if(part_ < Expr(left), take));
      parts = left;
    }
    if (stage.is_output) {
      pending_.push_back(guarded(both(row_exists(), k_.split > 1 ? part_ == Expr(0) : Expr()),
                                 tensor::make_store(stage.output, translated(stage.index), expr::load(sum, own))));
    }
  }

  // Where part `part` of the lane's row lies among the shared ones.
  Expr slot(const Expr& part, int parts) const {
    return k_.along == along_row ? member_ * parts + part : part * k_.group + member_;
  }

  const RowProblem& p_;
  Knobs k_;
  Group group_;
  Expr part_, member_;  // the lane's part of its row, and its row among those of the group
  Expr row_count_, blocks_;
  VarPtr block_, row_;
  expr::Substitution where_;
  std::vector<Stmt> pending_, loops_;
  std::vector<BufferPtr> buffers_;
  std::unordered_map<const Buffer*, BufferPtr> values_;  // registers of a stage's output
  std::unordered_set<const Buffer*> kept_;               // those that hold elements
};

int64_t elements_per_row(const RowProblem& p) {
  int64_t most = 1;
  for (const RowStage& stage : p.stages) most = std::max(most, typical_points(stage.elements));
  return most;
}

// Whether neighbouring rows, rather than neighbouring elements, are dense in what the program reads.
bool rows_are_dense(const RowProblem& p) {
  if (p.rows.empty()) return false;
  double rows = 0, elements = 0;
  for (const RowStage& stage : p.stages) {
    for (const Expr& load : loads_of(stage.body)) {
      double size = typical_bytes(*load->buffer);
      if (stride_along(load, p.rows.back()) == 1) rows += size;
      if (!stage.elements.empty() && stride_along(load, stage.elements.back()) == 1) elements += size;
    }
  }
  return rows > elements;
}

double typical_ns(const RowProblem& p, const Knobs& k, const Target& target) {
  double rows = double(typical_points(p.rows)), bytes = 0, work = 0;
  bool dense_rows = rows_are_dense(p);
  double scattered = dense_rows == (k.along == along_columns) ? 1 : 4;
  constexpr double from_cache = 4;
  std::unordered_set<const Buffer*> read;
  for (const RowStage& stage : p.stages) {
    double points = rows * double(typical_points(stage.elements));
    double share = std::ceil(double(typical_points(stage.elements)) / k.split) * k.split /
                   std::max(1.0, double(typical_points(stage.elements)));
    work += points * share * scalar_cost_ns(stage.body) * flops_per_scalar_ns;
    for (const Expr& load : loads_of(stage.body)) {
      double size = std::min(points * double(size_of(load->type.dtype)), typical_bytes(*load->buffer)) * scattered;
      bytes += read.insert(load->buffer.get()).second ? size : size / from_cache;
    }
    if (stage.is_output) bytes += (stage.per_row() ? rows : points) * double(size_of(stage.output->dtype));
    if (stage.reduce != Reduce::None && k.split > 1) work += rows * k.split * (k.split > radix ? 60 : 30);
  }
  return cost_ns(target, work, 0.5, bytes, std::ceil(rows / k.group) * k.lanes());
}

int64_t power_of_two(double at_least, int64_t most) {
  int64_t p = 1;
  while (double(p) < at_least && p * 2 <= most) p *= 2;
  return p;
}

std::vector<Knobs> knobs_for(const RowProblem& p, bool keep, const Target& target) {
  const int64_t lanes = power_of_two(largest_group(target), largest_group(target));
  const int64_t rows = typical_points(p.rows), length = elements_per_row(p);
  std::vector<Knobs> list;
  constexpr int64_t columns = 32;
  if (rows_are_dense(p)) {
    int64_t group = std::min(lanes, power_of_two(double(rows), columns));
    for (double per_lane : {8.0, 32.0, 1e30}) {
      int64_t split = power_of_two(double(length) / per_lane, lanes / group);
      list.push_back({int(split), int(group), along_columns, keep});
    }
  } else {
    for (double per_lane : {4.0, 16.0, 1.0}) {
      int64_t split = power_of_two(double(length) / per_lane, lanes);
      int64_t group = std::max<int64_t>(1, std::min(lanes / 2 / split, power_of_two(double(rows), lanes)));
      list.push_back({int(split), int(group), along_row, keep});
    }
  }
  return list;
}

bool elements_fit(const RowProblem& p, const Knobs& k) {
  for (const RowStage& stage : p.stages) {
    if (stage.per_row()) continue;
    bool read = false;
    for (const RowStage& other : p.stages) read = read || !loads_of(other.body, stage.output.get()).empty();
    auto share = constant(expr::simplify(expr::ceil_div(points_of(stage.elements), k.split)));
    if (read && share.value_or(most_kept + 1) > most_kept) return false;
  }
  return true;
}

Point point_of(const Knobs& k) {
  return {{"split", k.split}, {"group", k.group}, {"along", k.along}, {"keep", k.keep}};
}

std::vector<Proposal> propose(const Problem& problem, const Target& target, std::string* why) {
  std::vector<Proposal> proposals;
  for (bool keep : {true, false}) {
    auto found = row_problem(problem.program, keep);
    if (auto* refusal = std::get_if<Refusal>(&found)) {
      if (why) *why = refusal->reason;
      continue;
    }
    const RowProblem& p = std::get<RowProblem>(found);
    for (const Knobs& k : knobs_for(p, keep, target)) {
      if (!elements_fit(p, k)) continue;
      bool known = false;
      for (const Proposal& other : proposals) known = known || other.point == point_of(k);
      if (!known) proposals.push_back({point_of(k), typical_ns(p, k, target)});
    }
  }
  sort_by_cost(proposals);
  return proposals;
}

Result lower(const Problem& problem, const Point& point, const Target& target) {
  Knobs k = knobs_of(point);
  auto found = row_problem(problem.program, k.keep);
  if (auto* refusal = std::get_if<Refusal>(&found)) return *refusal;
  const RowProblem& p = std::get<RowProblem>(found);
  RowKernel kernel(p, k);
  Expr points = 0;
  for (const RowStage& stage : p.stages) points = points + points_of(p.rows) * points_of(stage.elements);
  Stmt body = kernel.body();
  Lowered lowered;
  lowered.launches.push_back(finish(problem.program, k.along == along_row ? "row_reduction" : "column_reduction",
                                    kernel.grid(), k.lanes(), body, expr::simplify(points), typical_ns(p, k, target),
                                    target));
  return lowered;
}

}  // namespace

const Family row_reduction_family{"gpu_row_reduction", 1, guarded_propose<propose>, guarded_lower<lower>};

}  // namespace sardonyx::sketch::gpu
