#include "compiler/graph/type.h"

#include <algorithm>
#include <numeric>

#include "compiler/expr/simplify.h"
#include "runtime/base/status.h"

namespace sardonyx::graph {

namespace {

std::vector<int> outer_order(const Layout& layout, int rank) {
  if (!layout.order.empty()) {
    check(int(layout.order.size()) == rank, "a layout of rank ", layout.order.size(), " on a tensor of rank ", rank);
    return layout.order;
  }
  std::vector<int> order(static_cast<size_t>(rank));
  std::iota(order.begin(), order.end(), 0);
  return order;
}

// The product of the factors of blocks behind block `from` that split `axis`.
int64_t inner_factor(const Layout& layout, int axis, size_t from) {
  int64_t product = 1;
  for (size_t i = from; i < layout.blocks.size(); ++i)
    if (layout.blocks[i].axis == axis) product *= layout.blocks[i].factor;
  return product;
}

}  // namespace

std::string to_string(const Layout& layout, int rank) {
  if (layout.row_major()) return "";
  std::string text;
  for (int axis : outer_order(layout, rank)) text += char('a' + axis);
  for (const auto& block : layout.blocks) text += std::to_string(block.factor) + char('a' + block.axis);
  return text;
}

Layout parse_layout(const std::string& text) {
  Layout layout;
  size_t i = 0;
  auto is_letter = [&](size_t at) { return at < text.size() && text[at] >= 'a' && text[at] <= 'z'; };
  auto is_digit = [&](size_t at) { return at < text.size() && text[at] >= '0' && text[at] <= '9'; };
  for (; is_letter(i); ++i) layout.order.push_back(text[i] - 'a');
  int rank = int(layout.order.size());
  auto sorted = layout.order;
  std::sort(sorted.begin(), sorted.end());
  for (int axis = 0; axis < rank; ++axis)
    require(sorted[size_t(axis)] == axis, Status::InvalidModel, "layout '", text, "' does not name each axis once");
  while (i < text.size()) {
    int64_t factor = 0;
    for (; is_digit(i) && factor < 100000; ++i) factor = factor * 10 + (text[i] - '0');
    require(factor > 0 && factor < 100000 && is_letter(i) && text[i] - 'a' < rank, Status::InvalidModel, "layout '",
            text, "' has a malformed block at column ", i + 1);
    layout.blocks.push_back({text[i++] - 'a', int(factor)});
  }
  if (std::is_sorted(layout.order.begin(), layout.order.end())) layout.order.clear();
  return layout;
}

bool same_dims(const std::vector<Expr>& a, const std::vector<Expr>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Expr& x, const Expr& y) {
    return x.same_as(y) || expr::equal(x, y) || expr::prove_equal(x, y);
  });
}

bool same_type(const TensorType& a, const TensorType& b) {
  if (a.container && b.container && !sardonyx::same_type(*a.container, *b.container)) return false;
  return a.dtype == b.dtype && a.layout == b.layout && same_dims(a.dims, b.dims);
}

TensorType object_type(ValueTypePtr container) { return {DType::Object, {}, {}, std::move(container)}; }

std::string to_string(const TensorType& type) {
  if (type.container) return sardonyx::to_string(*type.container);
  std::string text = str(dtype_name(type.dtype), '[');
  for (size_t i = 0; i < type.dims.size(); ++i) text += (i ? "," : "") + expr::to_string(type.dims[i]);
  text += ']';
  if (!type.layout.row_major()) text += ':' + to_string(type.layout, type.rank());
  return text;
}

std::vector<Expr> physical_dims(const TensorType& type) {
  if (type.layout.row_major()) return type.dims;
  std::vector<Expr> dims;
  for (int axis : outer_order(type.layout, type.rank())) {
    int64_t factor = inner_factor(type.layout, axis, 0);
    const Expr& dim = type.dims[size_t(axis)];
    dims.push_back(factor == 1 ? dim : expr::simplify(expr::ceil_div(dim, factor)));
  }
  for (const auto& block : type.layout.blocks) dims.emplace_back(block.factor);
  return dims;
}

std::vector<Expr> physical_index(const TensorType& type, const std::vector<Expr>& logical) {
  if (type.layout.row_major()) return logical;
  std::vector<Expr> index;
  for (int axis : outer_order(type.layout, type.rank())) {
    int64_t factor = inner_factor(type.layout, axis, 0);
    const Expr& i = logical[size_t(axis)];
    index.push_back(factor == 1 ? i : expr::simplify(i / factor));
  }
  for (size_t b = 0; b < type.layout.blocks.size(); ++b) {
    const auto& block = type.layout.blocks[b];
    int64_t inner = inner_factor(type.layout, block.axis, b + 1);
    index.push_back(expr::simplify((logical[size_t(block.axis)] / inner) % block.factor));
  }
  return index;
}

std::vector<Expr> logical_index(const TensorType& type, const std::vector<Expr>& physical) {
  if (type.layout.row_major()) return physical;
  std::vector<Expr> index(type.dims.size());
  std::vector<int> order = outer_order(type.layout, type.rank());
  for (size_t i = 0; i < order.size(); ++i)
    index[size_t(order[i])] = physical[i] * inner_factor(type.layout, order[i], 0);
  for (size_t b = 0; b < type.layout.blocks.size(); ++b) {
    const auto& block = type.layout.blocks[b];
    Expr& axis = index[size_t(block.axis)];
    axis = axis + physical[order.size() + b] * inner_factor(type.layout, block.axis, b + 1);
  }
  for (Expr& i : index) i = expr::simplify(i);
  return index;
}

Expr element_count(const TensorType& type) { return expr::product(type.dims); }
Expr physical_count(const TensorType& type) { return expr::product(physical_dims(type)); }

std::optional<std::vector<int64_t>> static_dims(const TensorType& type) {
  std::vector<int64_t> dims;
  for (const Expr& dim : type.dims) {
    auto value = expr::as_int(dim);
    if (!value) return std::nullopt;
    dims.push_back(*value);
  }
  return dims;
}

}  // namespace sardonyx::graph
