// TensorScatter: writes each batch entry's update into its cache from a position of its own on. Every element of the
// result chooses between cache and update, so nothing is scattered.
#include "compiler/expr/simplify.h"
#include "compiler/ops/lowering.h"
#include "compiler/ops/onnx/versions.h"

namespace sardonyx::ops {
namespace {

using graph::BinaryFunction;

// starts [batch] as a tensor of `rank` dims that broadcasts.
Value* per_batch(Builder& b, Value* starts, int rank) {
  std::vector<Expr> dims(size_t(rank), Expr(1));
  dims[0] = starts->type.dims[0];
  return b.reshape(starts, dims);
}

std::vector<Value*> lower(Lowering& in) {
  auto& b = in.builder();
  Value *cache = in[0], *update = in[1];
  const int rank = cache->type.rank();
  const int64_t axis = in.axis(in.attr_int("axis", -2), rank);
  in.require(axis > 0 && update->type.rank() == rank && update->type.dtype == cache->type.dtype, Status::InvalidModel,
             "axis ", axis, " of a cache ", graph::to_string(cache->type), " and an update ",
             graph::to_string(update->type));
  for (int64_t i = 0; i < rank; ++i)
    if (i != axis)
      b.require_equal(cache->type.dims[size_t(i)], update->type.dims[size_t(i)],
                      str("dim ", i, " of cache and update of node '", in.node(), "'"));
  const Expr capacity = cache->type.dims[size_t(axis)], length = update->type.dims[size_t(axis)];
  in.require(!expr::as_int(capacity) || expr::as_int(length).value_or(0) <= *expr::as_int(capacity),
             Status::InvalidModel, "the update ", graph::to_string(update->type), " is longer than the cache ",
             graph::to_string(cache->type));
  b.check(length <= capacity, Status::MismatchingShape,
          str("node '", in.node(), "' (TensorScatter): the update is longer than the cache"));
  const std::string mode = in.attr_string("mode", "linear");
  in.require(mode == "linear" || mode == "circular", Status::InvalidModel, "mode '", mode, "' is unknown");

  Value* starts = b.full(b.scalar(DType::I64, 0), {cache->type.dims[0]});
  if (Value* given = in.optional(2)) {
    in.require(given->type.rank() == 1 && is_integer(given->type.dtype), Status::InvalidModel, "write_indices are ",
               graph::to_string(given->type), ", expected [batch]");
    b.require_equal(given->type.dims[0], cache->type.dims[0], str("the batch of node '", in.node(), "'"));
    starts = b.cast(given, DType::I64);
  }
  Value *zero = b.scalar(DType::I64, 0), *limit = b.dims_tensor({length}, {}), *size = b.dims_tensor({capacity}, {});
  if (mode == "linear")
    starts = b.maximum(b.minimum(starts, b.add(size, b.scalar(DType::I64, 1))), b.scalar(DType::I64, -1));
  starts = per_batch(b, starts, rank);
  std::vector<Expr> along(size_t(rank), Expr(1));
  along[size_t(axis)] = capacity;
  Value* distance = b.sub(b.iota(DType::I64, along, axis), starts);
  Value* fits = b.less_equal(zero, starts);
  if (mode == "circular")
    distance = b.binary(BinaryFunction::Mod, distance, b.maximum(size, b.scalar(DType::I64, 1)));
  else
    fits = b.binary(BinaryFunction::And, fits, b.less_equal(starts, b.sub(size, limit)));
  // A start that does not fit reads beyond the update, which fails the run.
  Value* written = b.binary(BinaryFunction::And, b.less_equal(zero, distance), b.less(distance, limit));
  written = b.binary(BinaryFunction::Or, written, b.logical_not(fits));
  Value* nearest = b.maximum(b.minimum(distance, b.sub(limit, b.scalar(DType::I64, 1))), zero);
  Value* source = b.broadcast(b.select(fits, nearest, limit), cache->type.dims);
  return {b.select(written, b.gather_elements(update, source, axis), cache)};
}

const OnnxOp op{operator_row("TensorScatter", {24}, lower, {2, 3})};

}  // namespace
}  // namespace sardonyx::ops
