#include "compiler/ops/onnx/spatial.h"

#include "compiler/expr/simplify.h"

namespace sardonyx::ops {
namespace {

void add_pads(Lowering& in, Spatial& spatial, const std::vector<Expr>& dims, const std::string& auto_pad) {
  const size_t rank = spatial.kernel.size();
  if (auto_pad == "VALID") {
    spatial.pads.assign(2 * rank, Expr(0));
    return;
  }
  if (auto_pad == "NOTSET" || auto_pad.empty()) {
    const auto pads = in.attr_ints("pads", std::vector<int64_t>(2 * rank, 0));
    in.require(pads.size() == 2 * rank, Status::InvalidModel, "pads [", join(pads, ","), "] for ", rank,
               " spatial dims");
    for (int64_t pad : pads)
      in.require(pad >= 0 && pad <= largest_spatial, Status::InvalidModel, "pads [", join(pads, ","),
                 "] must be at least 0 and at most ", largest_spatial);
    spatial.pads.assign(pads.begin(), pads.end());
    return;
  }
  in.require(auto_pad == "SAME_UPPER" || auto_pad == "SAME_LOWER", Status::InvalidModel, "unknown auto_pad '", auto_pad,
             "'");
  // The output has ceil(dim / stride) elements; an odd pad goes to the end (UPPER) or the beginning (LOWER).
  spatial.pads.resize(2 * rank);
  for (size_t i = 0; i < rank; ++i) {
    const Expr reach = (expr::ceil_div(dims[i + 2], spatial.strides[i]) - 1) * spatial.strides[i] +
                       Expr((spatial.kernel[i] - 1) * spatial.dilations[i] + 1);
    const Expr total = expr::simplify(expr::max(Expr(0), reach - dims[i + 2]));
    const Expr less = expr::simplify(total / 2), more = expr::simplify(total - less);
    spatial.pads[i] = auto_pad == "SAME_UPPER" ? less : more;
    spatial.pads[i + rank] = auto_pad == "SAME_UPPER" ? more : less;
  }
}

}  // namespace

std::vector<int64_t> spatial_ints(Lowering& in, const char* name, size_t rank, int64_t fallback) {
  auto values = in.attr_ints(name, std::vector<int64_t>(rank, fallback));
  in.require(values.size() == rank, Status::InvalidModel, name, " [", join(values, ","), "] for ", rank,
             " spatial dims");
  for (int64_t value : values)
    in.require(value > 0 && value <= largest_spatial, Status::InvalidModel, name, " [", join(values, ","),
               "] must be positive and at most ", largest_spatial);
  return values;
}

Spatial resolve_spatial(Lowering& in, const Value* x, std::vector<int64_t> kernel, bool ceil_mode) {
  const std::vector<Expr>& dims = x->type.dims;
  const size_t rank = kernel.size();
  in.require(rank >= 1 && dims.size() == rank + 2, Status::InvalidModel, "input ", graph::to_string(x->type),
             " for a kernel [", join(kernel, ","), "]");
  for (int64_t extent : kernel)
    in.require(extent > 0 && extent <= largest_spatial, Status::InvalidModel, "a kernel [", join(kernel, ","), "]");
  Spatial spatial;
  spatial.kernel = std::move(kernel);
  spatial.strides = spatial_ints(in, "strides", rank, 1);
  spatial.dilations = spatial_ints(in, "dilations", rank, 1);
  const std::string auto_pad = in.attr_string("auto_pad", "NOTSET");
  add_pads(in, spatial, dims, auto_pad);
  for (size_t i = 0; i < rank; ++i) {
    const Expr dim = dims[i + 2], stride(spatial.strides[i]);
    if (auto_pad == "SAME_UPPER" || auto_pad == "SAME_LOWER") {
      spatial.out_dims.push_back(expr::simplify(expr::ceil_div(dim, stride)));
      continue;
    }
    const Expr covered((spatial.kernel[i] - 1) * spatial.dilations[i] + 1);
    const Expr room = expr::simplify(dim + spatial.pads[i] + spatial.pads[i + rank] - covered);
    in.require(expr::as_int(room).value_or(0) >= 0, Status::InvalidModel, "kernel [", join(spatial.kernel, ","),
               "] is larger than the padded input ", graph::to_string(x->type));
    Expr out = room / stride + 1;
    if (ceil_mode)  // no window begins in the end pads
      out = expr::min(expr::ceil_div(room, stride) + 1, (dim + spatial.pads[i] - 1) / stride + 1);
    spatial.out_dims.push_back(expr::simplify(out));
  }
  return spatial;
}

std::vector<int64_t> kernel_of_weights(Lowering& in, const Value* weights) {
  const auto dims = graph::static_dims(weights->type);
  in.require(dims && dims->size() >= 3, Status::UnsupportedShape,
             "weights of static dims and rank 3 or more expected, got ", graph::to_string(weights->type));
  const std::vector<int64_t> kernel(dims->begin() + 2, dims->end());
  in.require(in.attr_ints("kernel_shape", kernel) == kernel, Status::InvalidModel, "kernel_shape [",
             join(in.attr_ints("kernel_shape", kernel), ","), "] does not fit weights ",
             graph::to_string(weights->type));
  return kernel;
}

graph::ConvAttrs conv_attributes(Lowering& in, const Value* x, const Value* weights, DType dtype) {
  Spatial spatial = resolve_spatial(in, x, kernel_of_weights(in, weights));
  graph::ConvAttrs attributes;
  attributes.strides = std::move(spatial.strides);
  attributes.dilations = std::move(spatial.dilations);
  attributes.pads = std::move(spatial.pads);
  attributes.groups = in.attr_int("group", 1);
  attributes.dtype = dtype;
  in.require(attributes.groups > 0, Status::InvalidModel, "group ", attributes.groups, " must be positive");
  return attributes;
}

Value* per_channel(Builder& builder, Value* values, int spatial_rank) {
  std::vector<Expr> dims = values->type.dims;
  dims.insert(dims.end(), size_t(spatial_rank), Expr(1));
  return builder.reshape(values, dims);
}

std::vector<int64_t> axes_from(int64_t first, int rank) {
  std::vector<int64_t> axes;
  for (int64_t axis = first; axis < rank; ++axis) axes.push_back(axis);
  return axes;
}

}  // namespace sardonyx::ops
