// matmul, conv and conv_transpose: each is linear in both operands, and the adjoints are contractions again.
#include "compiler/expr/simplify.h"
#include "compiler/gradient/rules.h"

namespace sardonyx::gradient {

namespace {

using graph::PadMode;

struct Window {
  Ints strides, dilations;
  Exprs pads, kernel;  // pads: [begin..., end...]
  int64_t groups = 1;
  size_t rank() const { return kernel.size(); }
};

Exprs spatial(const Value* x) { return {x->type.dims.begin() + 2, x->type.dims.end()}; }

// Elements from the first that window 0 reads on an axis to the last that window `count` - 1 does.
Expr reach(const Window& window, size_t i, const Expr& count) {
  return expr::simplify((count - 1) * Expr(window.strides[i]) + (window.kernel[i] - 1) * Expr(window.dilations[i]) + 1);
}

// x [N, C, spatial...] -> [N, C, kernel 0, windows 0, kernel 1, windows 1, ...], zeros where windows lie on padding.
Value* windows_of(Builder& b, Value* x, const Window& window, const Exprs& counts) {
  Exprs before(x->type.dims.size(), Expr(0)), after = before;
  for (size_t i = 0; i < window.rank(); ++i) {
    before[i + 2] = window.pads[i];
    after[i + 2] = expr::max(Expr(0), reach(window, i, counts[i]) - window.pads[i] - x->type.dims[i + 2]);
  }
  x = b.pad(x, before, after, PadMode::Constant);
  for (size_t i = 0; i < window.rank(); ++i) {
    const auto scaled = [&](int64_t axis, int64_t factor) {
      return b.mul(b.iota(DType::I64, {window.kernel[i], counts[i]}, axis), b.scalar(DType::I64, double(factor)));
    };
    x = b.gather(x, b.add(scaled(0, window.dilations[i]), scaled(1, window.strides[i])), int64_t(2 + 2 * i));
  }
  return x;
}

// The adjoint by the weights [M, C / groups, kernel...] of a convolution of x [N, C, spatial...] whose result has the
// adjoint y [N, M, windows...]: a product of y with the windows of x, over images and windows.
Value* weight_adjoint(Builder& b, Value* x, Value* y, const Window& window) {
  const int64_t rank = int64_t(window.rank());
  const Exprs counts = spatial(y);
  const Expr images = x->type.dims[0], group_inputs = expr::simplify(x->type.dims[1] / Expr(window.groups)),
             group_outputs = expr::simplify(y->type.dims[1] / Expr(window.groups));
  Value* patches = windows_of(b, x, window, counts);
  Exprs split{images, window.groups, group_inputs};
  split.insert(split.end(), patches->type.dims.begin() + 2, patches->type.dims.end());
  Ints perm{1, 2};  // [groups, C / groups, kernel..., N, windows...]
  for (int64_t i = 0; i < rank; ++i) perm.push_back(3 + 2 * i);
  perm.push_back(0);
  for (int64_t i = 0; i < rank; ++i) perm.push_back(4 + 2 * i);
  const Expr inner = expr::simplify(images * expr::product(counts));
  patches = b.reshape(b.transpose(b.reshape(patches, split), perm),
                      {window.groups, group_inputs * expr::product(window.kernel), inner});

  Exprs y_split{images, window.groups, group_outputs};
  y_split.insert(y_split.end(), counts.begin(), counts.end());
  Ints y_perm{1, 2, 0};
  for (int64_t i = 0; i < rank; ++i) y_perm.push_back(3 + i);
  Value* rows = b.reshape(b.transpose(b.reshape(y, y_split), y_perm), {window.groups, group_outputs, inner});

  Exprs dims{y->type.dims[1], group_inputs};
  dims.insert(dims.end(), window.kernel.begin(), window.kernel.end());
  return b.reshape(b.matmul(rows, patches, false, true), dims);
}

template <class A>
Window window_of(const A& attrs, const Value* w) {
  return {attrs.strides, attrs.dilations, attrs.pads, spatial(w), attrs.groups};
}

}  // namespace

void differentiate_matmul(Adjoints& a, const Node& node) {
  Builder& b = a.builder();
  const auto& attrs = node.attrs<graph::MatmulAttrs>();
  const bool ta = attrs.transpose_a, tb = attrs.transpose_b;
  Value *left = b.cast(node.operand(0), attrs.dtype), *right = b.cast(node.operand(1), attrs.dtype);
  Value* y = a.of(node.result());
  const auto add = [&](const Value* operand, Value* adjoint) {
    a.add(operand, b.cast(sum_to(b, adjoint, operand->type.dims), operand->type.dtype));
  };
  if (a.varies(node.operand(0)))
    add(node.operand(0), ta ? b.matmul(right, y, tb, true) : b.matmul(y, right, false, !tb));
  if (a.varies(node.operand(1))) add(node.operand(1), tb ? b.matmul(y, left, true, ta) : b.matmul(left, y, !ta, false));
}

void differentiate_conv(Adjoints& a, const Node& node) {
  Builder& b = a.builder();
  const auto& attrs = node.attrs<graph::ConvAttrs>();
  Value *x = node.operand(0), *w = node.operand(1), *y = a.of(node.result());
  if (a.varies(x)) {
    graph::ConvTransposeAttrs transposed;
    transposed.strides = attrs.strides;
    transposed.dilations = attrs.dilations;
    transposed.pads = attrs.pads;
    transposed.groups = attrs.groups;
    transposed.out_dims = spatial(x);
    a.add(x, b.cast(b.conv_transpose(y, b.cast(w, attrs.dtype), transposed), x->type.dtype));
  }
  if (a.varies(w)) a.add(w, b.cast(weight_adjoint(b, b.cast(x, attrs.dtype), y, window_of(attrs, w)), w->type.dtype));
}

void differentiate_conv_transpose(Adjoints& a, const Node& node) {
  Builder& b = a.builder();
  const auto& attrs = node.attrs<graph::ConvTransposeAttrs>();
  Value *x = node.operand(0), *w = node.operand(1), *y = a.of(node.result());
  const Window window = window_of(attrs, w);
  if (a.varies(x)) {
    graph::ConvAttrs conv;
    conv.strides = attrs.strides;
    conv.dilations = attrs.dilations;
    conv.groups = attrs.groups;
    conv.dtype = x->type.dtype;
    conv.pads.assign(attrs.pads.begin(), attrs.pads.begin() + long(window.rank()));
    // As many windows as x has elements, at least; a result larger than these reach has more.
    for (size_t i = 0; i < window.rank(); ++i)
      conv.pads.push_back(expr::simplify(
          expr::max(Expr(0), reach(window, i, x->type.dims[i + 2]) - attrs.pads[i] - y->type.dims[i + 2])));
    Value* wide = b.conv(y, w, conv);
    a.add(x, b.slice(wide, Exprs(x->type.dims.size(), Expr(0)), x->type.dims, Ints(x->type.dims.size(), 1)));
  }
  if (a.varies(w)) a.add(w, weight_adjoint(b, y, x, window));
}

}  // namespace sardonyx::gradient
