#include "compiler/sketch/word_products.h"

#include <cstring>

#include "compiler/tensor/lower/lower.h"
#include "runtime/base/status.h"

namespace sardonyx::sketch {

using expr::Kind;
using tensor::Index;

namespace {

// A dot product of words: what it multiplies and sums up.
struct WordProduct {
  DType activation, weight, sum;
  expr::Function function;
  bool Target::*available;
  int64_t per_word() const { return 4 / int64_t(size_of(weight)); }
};
constexpr WordProduct word_products[] = {
    {DType::U8, DType::I8, DType::I32, expr::Function::Dot4, &Target::byte_products},
    {DType::BF16, DType::BF16, DType::F32, expr::Function::Dot2, &Target::bf16_products},
};

bool is_zero(const Expr& e) { return expr::is_const(e, 0) || (e->kind == Kind::FloatImm && e->float_value == 0); }

// The load of `dtype` that `e` widens, through a Select of it or 0; null when it is something else.
Expr widened_load(const Expr& e, DType dtype) {
  if (e->kind == Kind::Select && is_zero(e->args[2])) return widened_load(e->args[1], dtype);
  const bool widens = e->kind == Kind::Cast && e->args[0]->kind == Kind::Load && e->args[0]->buffer->dtype == dtype;
  return widens ? e->args[0] : Expr();
}

bool uses(const Index& index, const VarPtr& var, size_t except) {
  for (size_t i = 0; i < index.size(); ++i)
    if (i != except && expr::uses_var(index[i], var.get())) return true;
  return false;
}

// The load of words for the load whose last index is per_word * word + part; nothing when it is not.
std::optional<Expr> word_load(const Expr& load, const VarPtr& part, const WordProduct& product) {
  Index index = load->args;
  const int64_t per_word = product.per_word();
  const auto last = constant(load->buffer->dims.back());
  if (!last || *last % per_word != 0 || uses(index, part, index.size() - 1)) return std::nullopt;
  auto linear = expr::linear_in(index.back(), part);
  if (!linear || !expr::is_const(linear->coefficient, 1) || !expr::prove_divisible(linear->rest, per_word))
    return std::nullopt;
  index.back() = tensor::simplify_index(linear->rest / per_word, {});
  std::vector<Expr> dims = load->buffer->dims;
  dims.back() = *last / per_word;
  return expr::load(make_buffer(load->buffer->name + "_words", product.sum, dims, expr::Buffer::Scope::Global), index);
}

// `left` is the activation.
bool use_words(TileProblem& tile, const WordProduct& product, const Expr& left, const Expr& right) {
  const Expr x = widened_load(left, product.activation), w = widened_load(right, product.weight);
  const Axis channel = tile.reduce_axes[0];
  const VarPtr vector = tile.axes[size_t(tile.vector_axis)].var;
  const auto extent = constant(channel.extent);
  if (!x.defined() || !w.defined() || right->kind == Kind::Select || !extent) return false;
  const int x_input = input_of(tile, x->buffer), w_input = constant_input(tile, w->buffer);
  if (x_input < 0 || w_input < 0) return false;
  if (uses(x->args, vector, x->args.size()) || !uses(w->args, vector, w->args.size())) return false;

  const int64_t per_word = product.per_word(), count = (*extent + per_word - 1) / per_word;
  const Axis word{loop_var(channel.var->name, count), count};
  const VarPtr part = loop_var("part", per_word);
  const expr::Substitution split{{channel.var.get(), Expr(word.var) * per_word + Expr(part)}};
  const auto x_word = word_load(tensor::simplify_index(tensor::substitute_shared(x, split), {}), part, product);
  size_t dim = 0;
  while (dim < w->args.size() && !(w->args[dim]->kind == Kind::Var && w->args[dim]->var == channel.var)) ++dim;
  if (!x_word || dim == w->args.size() || uses(w->args, channel.var, dim)) return false;
  if (left->kind == Kind::Select && expr::uses_var(left->args[0], channel.var.get())) return false;

  std::vector<Expr> dims = w->buffer->dims;
  dims[dim] = count;
  Index at = w->args;
  at[dim] = Expr(word.var);
  const BufferPtr w_words = make_buffer(w->buffer->name + "_words", product.sum, dims, expr::Buffer::Scope::Global);
  Expr first = *x_word;
  if (left->kind == Kind::Select) first = expr::select(left->args[0], first, expr::imm(0, product.sum));
  tile.body = first * expr::load(w_words, at);
  tile.words = Words{product.function, x_input, (*x_word)->buffer, w_input, w_words, int(dim)};
  tile.reduce_axes[0] = word;
  if (count == 1) {
    tile.body = tensor::simplify_index(tensor::substitute_shared(tile.body, {{word.var.get(), Expr(0)}}), {});
    tile.reduce_axes.erase(tile.reduce_axes.begin());
  }
  return true;
}

}  // namespace

bool use_word_products(TileProblem& tile, const Target& target) {
  if (tile.reduce != tensor::Reduce::Sum || tile.reduce_axes.empty() || tile.body->kind != Kind::Mul) return false;
  for (const WordProduct& product : word_products) {
    if (!(target.*product.available) || tile.dtype != product.sum) continue;
    const Expr first = tile.body->args[0], second = tile.body->args[1];
    if (use_words(tile, product, first, second) || use_words(tile, product, second, first)) return true;
  }
  return false;
}

Tensor words_along(const Tensor& source, int dim) {
  Dims dims = source.dims();
  const auto bytes = int64_t(size_of(source.dtype()));
  const int64_t per_word = 4 / bytes, extent = dims[size_t(dim)], words = (extent + per_word - 1) / per_word;
  int64_t inner = 1;
  for (size_t i = size_t(dim) + 1; i < dims.size(); ++i) inner *= dims[i];
  const int64_t outer = extent == 0 ? 0 : source.count() / (extent * inner);
  dims[size_t(dim)] = words;
  Tensor result(source.dtype() == DType::BF16 ? DType::F32 : DType::I32, dims);
  const uint8_t* from = source.unaligned();
  uint8_t* to = result.raw();
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t k = 0; k < words; ++k)
      for (int64_t i = 0; i < inner; ++i, to += 4) {
        std::memset(to, 0, 4);
        for (int64_t j = 0; j < per_word && per_word * k + j < extent; ++j)
          std::memcpy(to + bytes * j, from + ((o * extent + per_word * k + j) * inner + i) * bytes, size_t(bytes));
      }
  return result;
}

}  // namespace sardonyx::sketch
