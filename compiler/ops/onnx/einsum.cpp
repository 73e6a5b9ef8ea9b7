// Einsum: any equation as a chain of pairwise contractions.
//
// Labels are letters, plus one per dim that an ellipsis stands for. Operands are taken from left to right; a pair's
// labels fall into batch (in both and still needed), inner (in both, not needed again), rows and columns (in one only).
// With inner labels the pair is a batched matmul, without an element-wise product.
//   "bij,bjk->bik": batch b, rows i, inner j, columns k
#include <algorithm>
#include <map>

#include "compiler/expr/simplify.h"
#include "compiler/ops/onnx/versions.h"

namespace sardonyx::ops {
namespace {

using graph::ReduceFunction;
using Labels = std::vector<int>;  // letters as characters; dims of ellipses as numbers from -1 down, rightmost first

struct Operand {
  Value* value;
  Labels labels;
};

bool contains(const Labels& labels, int label) {
  return std::find(labels.begin(), labels.end(), label) != labels.end();
}

// One term of the equation for an operand of `rank` dims (or for the output, with the widest ellipsis).
Labels parse_term(Lowering& in, const std::string& term, int ellipsis_rank) {
  Labels labels;
  bool seen_ellipsis = false;
  for (size_t i = 0; i < term.size(); ++i) {
    if (std::isalpha(static_cast<unsigned char>(term[i]))) {
      labels.push_back(term[i]);
      continue;
    }
    in.require(term.compare(i, 3, "...") == 0 && !seen_ellipsis, Status::InvalidModel, "cannot read term '", term, "'");
    for (int k = ellipsis_rank; k >= 1; --k) labels.push_back(-k);
    seen_ellipsis = true;
    i += 2;
  }
  return labels;
}

int letters_of(const std::string& term) {
  return int(std::count_if(term.begin(), term.end(), [](unsigned char c) { return std::isalpha(c); }));
}

class Contraction {
 public:
  Contraction(Lowering& in, Builder& builder) : in_(in), b_(builder) {}

  // Repeated labels of one operand: the diagonal, by masking and summing.
  Operand diagonal(Operand x) {
    for (size_t i = 0; i < x.labels.size(); ++i) {
      for (size_t j = x.labels.size(); j-- > i + 1;) {
        if (x.labels[j] != x.labels[i]) continue;
        const std::vector<Expr>& dims = x.value->type.dims;
        Value* mask = b_.equal(b_.iota(DType::I64, dims, int64_t(i)), b_.iota(DType::I64, dims, int64_t(j)));
        Value* kept = b_.select(mask, x.value, b_.scalar_like(x.value, 0));
        x.value = b_.reduce(ReduceFunction::Sum, kept, {int64_t(j)}, false);
        x.labels.erase(x.labels.begin() + long(j));
      }
    }
    return x;
  }

  // Sums away the labels that nothing needs.
  Operand summed(Operand x, const Labels& needed) {
    std::vector<int64_t> axes;
    Labels left;
    for (size_t i = 0; i < x.labels.size(); ++i) {
      if (contains(needed, x.labels[i]))
        left.push_back(x.labels[i]);
      else
        axes.push_back(int64_t(i));
    }
    if (axes.empty()) return x;
    return {b_.reduce(ReduceFunction::Sum, x.value, axes, false), left};
  }

  Operand pair(const Operand& x, const Operand& y, const Labels& needed) {
    Labels batch, inner, rows, columns;
    for (int label : x.labels) {
      if (!contains(y.labels, label))
        rows.push_back(label);
      else
        (contains(needed, label) ? batch : inner).push_back(label);
    }
    for (int label : y.labels)
      if (!contains(x.labels, label)) columns.push_back(label);
    Labels result = batch;
    result.insert(result.end(), rows.begin(), rows.end());
    result.insert(result.end(), columns.begin(), columns.end());
    if (inner.empty()) return {b_.mul(aligned(x, result), aligned(y, result)), result};
    Value* left = matrix(x, y, batch, rows, inner);
    Value* right = matrix(y, x, batch, inner, columns);
    Value* product = b_.matmul(left, right);
    std::vector<Expr> dims(product->type.dims.begin(), product->type.dims.end() - 2);
    for (const auto& [operand, labels] : {std::pair{&x, &rows}, std::pair{&y, &columns}})
      for (int label : *labels) dims.push_back(dim_of(*operand, label));
    return {b_.reshape(product, dims), result};
  }

  Value* permuted(const Operand& x, const Labels& order) {
    std::vector<int64_t> perm;
    for (int label : order) {
      const auto at = std::find(x.labels.begin(), x.labels.end(), label);
      in_.require(at != x.labels.end(), Status::InvalidModel, "an output label is in no operand");
      perm.push_back(at - x.labels.begin());
    }
    return b_.transpose(x.value, perm);
  }

 private:
  static Expr dim_of(const Operand& x, int label) {
    const auto at = std::find(x.labels.begin(), x.labels.end(), label);
    return x.value->type.dims[size_t(at - x.labels.begin())];
  }

  // x with the dims of `order`, 1 where it has no such label.
  Value* aligned(const Operand& x, const Labels& order) {
    Labels present;
    std::vector<Expr> dims;
    for (int label : order) {
      const bool has = contains(x.labels, label);
      if (has) present.push_back(label);
      dims.push_back(has ? dim_of(x, label) : Expr(1));
    }
    return b_.reshape(permuted(x, present), dims);
  }

  // x as [batch..., product of rows, product of columns]. Inner dims of 1 that the other operand has longer (broadcast
  // ellipses) are broadcast first.
  Value* matrix(Operand x, const Operand& other, const Labels& batch, const Labels& rows, const Labels& columns) {
    std::vector<Expr> full = x.value->type.dims;
    for (size_t i = 0; i < x.labels.size(); ++i)
      if (x.labels[i] < 0 && !contains(batch, x.labels[i]) && contains(other.labels, x.labels[i]) &&
          expr::is_const(full[i], 1))
        full[i] = dim_of(other, x.labels[i]);
    x.value = b_.broadcast(x.value, full);
    Labels order = batch;
    order.insert(order.end(), rows.begin(), rows.end());
    order.insert(order.end(), columns.begin(), columns.end());
    std::vector<Expr> dims;
    for (int label : batch) dims.push_back(dim_of(x, label));
    for (const Labels* group : {&rows, &columns}) {
      Expr size = 1;
      for (int label : *group) size = size * dim_of(x, label);
      dims.push_back(expr::simplify(size));
    }
    return b_.reshape(permuted(x, order), dims);
  }

  Lowering& in_;
  Builder& b_;
};

std::vector<std::string> split_terms(const std::string& text) {
  std::vector<std::string> terms(1);
  for (char c : text) {
    if (c == ',')
      terms.emplace_back();
    else
      terms.back() += c;
  }
  return terms;
}

// Without "->", the output is the ellipsis and the letters that appear once, sorted.
std::string implicit_output(const std::string& inputs) {
  std::map<char, int> counts;
  for (char c : inputs)
    if (std::isalpha(static_cast<unsigned char>(c))) ++counts[c];
  std::string output = inputs.find("...") != std::string::npos ? "..." : "";
  for (auto [letter, count] : counts)
    if (count == 1) output += letter;
  return output;
}

std::vector<Value*> einsum(Lowering& in) {
  std::string equation = in.attr_string("equation");
  equation.erase(std::remove(equation.begin(), equation.end(), ' '), equation.end());
  const size_t arrow = equation.find("->");
  const std::string inputs = equation.substr(0, arrow);
  const std::string output = arrow == std::string::npos ? implicit_output(inputs) : equation.substr(arrow + 2);
  const std::vector<std::string> terms = split_terms(inputs);
  in.require(int(terms.size()) == in.inputs(), Status::InvalidModel, "equation '", equation, "' has ", terms.size(),
             " terms for ", in.inputs(), " inputs");
  Contraction contraction(in, in.builder());
  std::vector<Operand> operands;
  int widest = 0;
  for (int i = 0; i < in.inputs(); ++i) {
    const std::string& term = terms[size_t(i)];
    const bool ellipsis = term.find("...") != std::string::npos;
    const int covered = in[i]->type.rank() - letters_of(term);
    in.require(covered >= 0 && (ellipsis || covered == 0), Status::InvalidModel, "term '", term, "' does not fit ",
               graph::to_string(in[i]->type));
    widest = std::max(widest, covered);
    operands.push_back(contraction.diagonal({in[i], parse_term(in, term, covered)}));
  }
  const Labels result = parse_term(in, output, widest);
  Operand total = operands[0];
  for (size_t i = 0; i < operands.size(); ++i) {
    // Labels that the output or later operands still need.
    Labels needed = result;
    for (size_t k = i + 1; k < operands.size(); ++k)
      needed.insert(needed.end(), operands[k].labels.begin(), operands[k].labels.end());
    if (i == 0) {
      total = contraction.summed(total, needed);
      continue;
    }
    Labels with_total = needed;
    with_total.insert(with_total.end(), total.labels.begin(), total.labels.end());
    total = contraction.summed(contraction.pair(total, contraction.summed(operands[i], with_total), needed), needed);
  }
  return {contraction.permuted(total, result)};
}

const OnnxOp op{operator_row("Einsum", {12}, einsum, {1, -1})};

}  // namespace
}  // namespace sardonyx::ops
