// Programs that several families run.
#pragma once
#include "tests/compiler/sketch/harness.h"

namespace sardonyx::testing {

using expr::Expr;
using expr::Function;
using tensor::Index;
using tensor::ProgramBuilder;
using tensor::Reduce;
using tensor::Term;

struct Matmul {
  std::vector<Expr> batch;
  Expr m, n, k;
  bool transpose_a = false, transpose_b = false;
  DType dtype = DType::F32;
};

inline Term matmul(ProgramBuilder& b, const Matmul& p, const Term& x, const Term& y, bool batched_y) {
  std::vector<Expr> dims = p.batch;
  dims.push_back(p.m);
  dims.push_back(p.n);
  return b.reduce("matmul", Reduce::Sum, p.dtype, dims, {p.k}, [=](const Index& out, const Index& in) {
    Index left(out.begin(), out.end() - 2), right = batched_y ? left : Index{};
    const Expr &i = out[out.size() - 2], &j = out.back(), &k = in[0];
    left.push_back(p.transpose_a ? k : i);
    left.push_back(p.transpose_a ? i : k);
    right.push_back(p.transpose_b ? j : k);
    right.push_back(p.transpose_b ? k : j);
    return x.at(left) * y.at(right);
  });
}

inline Problem matmul_problem(const Matmul& p, bool batched_y, bool constant_y, int epilogue) {
  ProgramBuilder b;
  std::vector<Expr> a_dims = p.batch, b_dims = batched_y ? p.batch : std::vector<Expr>{};
  a_dims.push_back(p.transpose_a ? p.k : p.m);
  a_dims.push_back(p.transpose_a ? p.m : p.k);
  b_dims.push_back(p.transpose_b ? p.n : p.k);
  b_dims.push_back(p.transpose_b ? p.k : p.n);
  Term x = b.input("a", p.dtype, a_dims), y = b.input("b", p.dtype, b_dims);
  std::vector<Expr> dims = p.batch;
  dims.push_back(p.m);
  dims.push_back(p.n);
  Term bias = b.input("bias", p.dtype, {p.n}), residual = b.input("residual", p.dtype, dims);
  Term c = matmul(b, p, x, y, batched_y);
  if (epilogue == 0) {
    b.output(c);
  } else if (epilogue == 1) {
    b.output({p.dtype, dims, [=](const Index& i) {
                return expr::max(c.at(i) + bias.at({i.back()}) + residual.at(i), expr::imm(0, p.dtype));
              }});
  } else {
    b.output({p.dtype, dims, [=](const Index& i) {
                Expr v = c.at(i) + bias.at({i.back()});
                return v * expr::imm(0.5, p.dtype) *
                       (expr::imm(1, p.dtype) + expr::call(Function::Erf, {v * expr::imm(0.70710678, p.dtype)}));
              }});
  }
  return {b.finish(), {false, constant_y, true, false}};
}

struct Conv {
  int64_t n = 1, ic = 16, h = 10, w = 10, oc = 16, kernel = 3, stride = 1, pad = 1, dilation = 1, groups = 1;
  bool blocked_in = false, blocked_out = false, relu = true;
  int64_t pad_end = 0;  // more of it

  int64_t out(int64_t size) const { return (size + 2 * pad + pad_end - (kernel - 1) * dilation - 1) / stride + 1; }
};

inline Term image(ProgramBuilder& b, const char* name, const std::vector<int64_t>& d, bool blocked) {
  if (!blocked) return b.input(name, DType::F32, {d[0], d[1], d[2], d[3]});
  Term physical = b.input(name, DType::F32, {d[0], (d[1] + 15) / 16, d[2], d[3], 16});
  return {DType::F32, {d[0], d[1], d[2], d[3]}, [=](const Index& i) {
            return physical.at({i[0], i[1] / Expr(16), i[2], i[3], i[1] % Expr(16)});
          }};
}

inline void store_image(ProgramBuilder& b, const Term& t, const std::vector<int64_t>& d, bool blocked) {
  if (!blocked) return b.output(t);
  b.output({DType::F32, {d[0], (d[1] + 15) / 16, d[2], d[3], 16}, [=](const Index& i) {
              Expr c = i[1] * Expr(16) + i[4];
              Expr value = t.at({i[0], c, i[2], i[3]});
              return d[1] % 16 ? expr::select(c < Expr(d[1]), value, expr::imm(0, DType::F32)) : value;
            }});
}

inline Expr inside(const Expr& y, const Expr& x, int64_t h, int64_t w) {
  return Expr(0) <= y && y < Expr(h) && Expr(0) <= x && x < Expr(w);
}

// The sum alone, of an image [n, ic, h, w].
inline Term convolution(ProgramBuilder& b, const Conv& c, const Term& x, const Term& weights) {
  const Expr group_outputs = c.oc / c.groups, group_inputs = c.ic / c.groups;
  return b.reduce("conv", Reduce::Sum, DType::F32, {c.n, c.oc, c.out(c.h), c.out(c.w)},
                  {group_inputs, c.kernel, c.kernel}, [=](const Index& o, const Index& k) {
                    Expr channel = c.groups > 1 ? o[1] / group_outputs * group_inputs + k[0] : k[0];
                    Expr row = o[2] * Expr(c.stride) + k[1] * Expr(c.dilation) - Expr(c.pad);
                    Expr column = o[3] * Expr(c.stride) + k[2] * Expr(c.dilation) - Expr(c.pad);
                    Expr value = x.at({o[0], expr::simplify(channel), row, column});
                    if (c.pad || c.pad_end)
                      value = expr::select(inside(row, column, c.h, c.w), value, expr::imm(0, DType::F32));
                    return value * weights.at({o[1], k[0], k[1], k[2]});
                  });
}

inline Problem conv_problem(const Conv& c) {
  ProgramBuilder b;
  Term x = image(b, "x", {c.n, c.ic, c.h, c.w}, c.blocked_in);
  Term weights = b.input("w", DType::F32, {c.oc, c.ic / c.groups, c.kernel, c.kernel});
  Term bias = b.input("bias", DType::F32, {c.oc});
  const int64_t oh = c.out(c.h), ow = c.out(c.w);
  Term y = convolution(b, c, x, weights);
  Term z{DType::F32, y.dims, [=](const Index& i) {
           Expr v = y.at(i) + bias.at({i[1]});
           return c.relu ? expr::max(v, expr::imm(0, DType::F32)) : v;
         }};
  store_image(b, z, {c.n, c.oc, oh, ow}, c.blocked_out);
  return {b.finish(), {false, true, true}};
}

inline Problem pool_problem(Reduce kind, bool blocked, int64_t c, int64_t h, int64_t w, int64_t kernel, int64_t stride,
                            int64_t pad) {
  ProgramBuilder b;
  Term x = image(b, "x", {2, c, h, w}, blocked);
  int64_t oh = (h + 2 * pad - kernel) / stride + 1, ow = (w + 2 * pad - kernel) / stride + 1;
  Term y = b.reduce("pool", kind, DType::F32, {2, c, oh, ow}, {kernel, kernel}, [=](const Index& o, const Index& k) {
    Expr row = o[2] * Expr(stride) + k[0] - Expr(pad), column = o[3] * Expr(stride) + k[1] - Expr(pad);
    Expr value = x.at({o[0], o[1], row, column});
    return pad ? expr::select(inside(row, column, h, w), value, tensor::identity_of(kind, DType::F32)) : value;
  });
  Term z{DType::F32, y.dims, [=](const Index& i) {
           return kind == Reduce::Sum ? y.at(i) / expr::imm(double(kernel * kernel), DType::F32) : y.at(i);
         }};
  store_image(b, z, {2, c, oh, ow}, blocked);
  return {b.finish(), {}};
}

inline Problem softmax(std::vector<Expr> dims, size_t axis) {
  ProgramBuilder b;
  Term x = b.input("x", DType::F32, dims);
  std::vector<Expr> rows = dims;
  rows.erase(rows.begin() + long(axis));
  auto with = [axis](Index row, const Expr& k) {
    row.insert(row.begin() + long(axis), k);
    return row;
  };
  auto without = [axis](Index i) {
    i.erase(i.begin() + long(axis));
    return i;
  };
  Term top = b.reduce("max", Reduce::MaxNumber, DType::F32, rows, {dims[axis]},
                      [=](const Index& row, const Index& in) { return x.at(with(row, in[0])); });
  Term e = b.stage("exp", DType::F32, dims,
                   [=](const Index& i) { return expr::call(Function::Exp, {x.at(i) - top.at(without(i))}); });
  Term sum = b.reduce("sum", Reduce::Sum, DType::F32, rows, {dims[axis]},
                      [=](const Index& row, const Index& in) { return e.at(with(row, in[0])); });
  b.output({DType::F32, dims, [=](const Index& i) { return e.at(i) / sum.at(without(i)); }});
  return {b.finish(), {}};
}

// Over the last of [4, 9, 200].
inline Problem layer_norm() {
  ProgramBuilder b;
  Term x = b.input("x", DType::F32, {4, 9, 200}), scale = b.input("scale", DType::F32, {200}),
       bias = b.input("bias", DType::F32, {200});
  Expr count = expr::imm(200, DType::F32);
  auto row = [](const Index& i) { return Index{i[0], i[1]}; };
  Term sum = b.reduce("sum", Reduce::Sum, DType::F32, {4, 9}, {200}, [=](const Index& r, const Index& k) {
    return x.at({r[0], r[1], k[0]});
  });
  Term mean = b.stage("mean", DType::F32, {4, 9}, [=](const Index& r) { return sum.at(r) / count; });
  Term squares = b.reduce("squares", Reduce::Sum, DType::F32, {4, 9}, {200}, [=](const Index& r, const Index& k) {
    Expr d = x.at({r[0], r[1], k[0]}) - mean.at(r);
    return d * d;
  });
  Term inverse = b.stage("inverse", DType::F32, {4, 9}, [=](const Index& r) {
    return expr::imm(1, DType::F32) / expr::call(Function::Sqrt, {squares.at(r) / count + expr::imm(1e-5, DType::F32)});
  });
  b.output({DType::F32, {4, 9, 200}, [=](const Index& i) {
              return (x.at(i) - mean.at(row(i))) * inverse.at(row(i)) * scale.at({i[2]}) + bias.at({i[2]});
            }});
  return {b.finish(), {}};
}

}  // namespace sardonyx::testing
