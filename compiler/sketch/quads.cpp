#include "compiler/sketch/quads.h"

#include "compiler/tensor/lower/lower.h"
#include "runtime/base/status.h"

namespace sardonyx::sketch {

using expr::Kind;
using tensor::Index;

namespace {

// The load of `dtype` that `e` widens to I32, through a Select of it or 0; null when it is something else.
Expr widened_load(const Expr& e, DType dtype) {
  if (e->kind == Kind::Select && expr::is_const(e->args[2], 0)) return widened_load(e->args[1], dtype);
  const bool widens = e->kind == Kind::Cast && e->args[0]->kind == Kind::Load && e->args[0]->buffer->dtype == dtype;
  return widens ? e->args[0] : Expr();
}

bool uses(const Index& index, const VarPtr& var, size_t except) {
  for (size_t i = 0; i < index.size(); ++i)
    if (i != except && expr::uses_var(index[i], var.get())) return true;
  return false;
}

// The load of words for the load of bytes whose last index is 4 * word + byte; nothing when it is not.
std::optional<Expr> word_load(const Expr& load, const VarPtr& byte) {
  Index index = load->args;
  const auto last = constant(load->buffer->dims.back());
  if (!last || *last % 4 != 0 || uses(index, byte, index.size() - 1)) return std::nullopt;
  auto linear = expr::linear_in(index.back(), byte);
  if (!linear || !expr::is_const(linear->coefficient, 1) || !expr::prove_divisible(linear->rest, 4))
    return std::nullopt;
  index.back() = tensor::simplify_index(linear->rest / 4, {});
  std::vector<Expr> dims = load->buffer->dims;
  dims.back() = *last / 4;
  return expr::load(make_buffer(load->buffer->name + "_words", DType::I32, dims, expr::Buffer::Scope::Global), index);
}

}  // namespace

bool use_quads(TileProblem& tile, const Target& target) {
  if (!target.byte_products || tile.dtype != DType::I32 || tile.reduce != tensor::Reduce::Sum ||
      tile.reduce_axes.empty() || tile.body->kind != Kind::Mul)
    return false;
  Expr left = tile.body->args[0], right = tile.body->args[1];
  if (!widened_load(left, DType::U8).defined()) std::swap(left, right);
  const Expr x = widened_load(left, DType::U8), w = widened_load(right, DType::I8);
  const Axis channel = tile.reduce_axes[0];
  const VarPtr vector = tile.axes[size_t(tile.vector_axis)].var;
  const auto extent = constant(channel.extent);
  if (!x.defined() || !w.defined() || right->kind == Kind::Select || !extent) return false;
  const int x_input = input_of(tile, x->buffer), w_input = constant_input(tile, w->buffer);
  if (x_input < 0 || w_input < 0) return false;
  if (uses(x->args, vector, x->args.size()) || !uses(w->args, vector, w->args.size())) return false;

  const int64_t count = (*extent + 3) / 4;
  const Axis word{loop_var(channel.var->name, count), count};
  const VarPtr byte = loop_var("byte", 4);
  const expr::Substitution split{{channel.var.get(), Expr(word.var) * 4 + Expr(byte)}};
  const auto x_word = word_load(tensor::simplify_index(tensor::substitute_shared(x, split), {}), byte);
  size_t dim = 0;
  while (dim < w->args.size() && !(w->args[dim]->kind == Kind::Var && w->args[dim]->var == channel.var)) ++dim;
  if (!x_word || dim == w->args.size() || uses(w->args, channel.var, dim)) return false;
  if (left->kind == Kind::Select && expr::uses_var(left->args[0], channel.var.get())) return false;

  std::vector<Expr> dims = w->buffer->dims;
  dims[dim] = count;
  Index at = w->args;
  at[dim] = Expr(word.var);
  const BufferPtr w_words = make_buffer(w->buffer->name + "_words", DType::I32, dims, expr::Buffer::Scope::Global);
  Expr first = *x_word;
  if (left->kind == Kind::Select) first = expr::select(left->args[0], first, expr::imm(0, DType::I32));
  tile.body = first * expr::load(w_words, at);
  tile.quads = Quads{x_input, (*x_word)->buffer, w_input, w_words, int(dim)};
  tile.reduce_axes[0] = word;
  if (count == 1) {
    tile.body = tensor::simplify_index(tensor::substitute_shared(tile.body, {{word.var.get(), Expr(0)}}), {});
    tile.reduce_axes.erase(tile.reduce_axes.begin());
  }
  return true;
}

Tensor words_along(const Tensor& source, int dim) {
  Dims dims = source.dims();
  const int64_t extent = dims[size_t(dim)], words = (extent + 3) / 4;
  int64_t inner = 1;
  for (size_t i = size_t(dim) + 1; i < dims.size(); ++i) inner *= dims[i];
  const int64_t outer = extent == 0 ? 0 : source.count() / (extent * inner);
  dims[size_t(dim)] = words;
  Tensor result(DType::I32, dims);
  const uint8_t* from = source.raw();
  uint32_t* to = result.data<uint32_t>();
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t k = 0; k < words; ++k)
      for (int64_t i = 0; i < inner; ++i) {
        uint32_t word = 0;
        for (int64_t j = 0; j < 4 && 4 * k + j < extent; ++j)
          word |= uint32_t{from[(o * extent + 4 * k + j) * inner + i]} << (8 * j);
        *to++ = word;
      }
  return result;
}

}  // namespace sardonyx::sketch
