// Programs for the families for GPUs, with the family that must accept each. Run on the host by gpu_test.cpp and on an
// OpenCL device by tests/backends/opencl_families_test.cpp.
#pragma once
#include "tests/compiler/sketch/programs.h"

namespace sardonyx::testing {

struct GpuCase {
  std::string name;
  const char* family;
  Problem problem;
  std::vector<int64_t> symbols{};
  double relative = 1e-5, absolute = 2e-5;
  double range = 2;  // of the inputs
};

// The target, but of kind GPU.
inline tensor::Target as_gpu(tensor::Target target) {
  target.kind = tensor::TargetKind::OpenClGpu;
  target.cores = 4;
  target.flops_per_ns = 100;
  target.bytes_per_ns = 20;
  target.local_bytes = 32 << 10;
  target.max_group = 256;
  return target;
}

class GpuCases {
 public:
  std::vector<GpuCase> list;

  GpuCases() {
    maps();
    transposes();
    softmaxes();
    reductions();
    products();
    windows();
    ProgramBuilder b;
    Term x = b.input("x", DType::F32, {6, 30, 4});
    b.output(b.scan("sums", DType::F32, {6, 30, 4}, 1, [=](const Index& i, const Term& self) {
      return expr::select(i[1] == Expr(0), x.at(i), self.at({i[0], i[1] - Expr(1), i[2]}) + x.at(i));
    }));
    add("Scan", "loops", {b.finish(), {}});
  }

 private:
  GpuCase& add(std::string name, const char* family, Problem problem) {
    return list.emplace_back(GpuCase{std::move(name), family, std::move(problem)});
  }

  void maps() {
    for (int64_t n : {7, 64, 100000}) {
      ProgramBuilder b;
      Term x = b.input("x", DType::F32, {3, n}), y = b.input("y", DType::F32, {3}), z = b.input("z", DType::I8, {3, n});
      b.output({DType::F32, {3, n}, [=](const Index& i) {
                  return x.at(i) * y.at({i[0]}) + expr::cast(z.at(i), DType::F32);
                }});
      b.output({DType::I32, {3, n}, [=](const Index& i) {
                  return expr::cast(z.at(i), DType::I32) * expr::imm(3, DType::I32);
                }});
      add("MapOf" + std::to_string(n), "gpu_pointwise", {b.finish(), {}});
    }
    ProgramBuilder b;
    Term x = b.input("x", DType::F32, {1000, 64});
    b.output({DType::F32, {1000, 64}, [=](const Index& i) { return x.at(i) * x.at(i); }});
    add("MapOfVectors", "gpu_pointwise", {b.finish(), {}});
  }

  void transposes() {
    for (auto [m, n] : {std::pair<int64_t, int64_t>{64, 48}, {33, 70}, {17, 16}, {100, 3}, {3, 100}}) {
      ProgramBuilder b;
      Term x = b.input("x", DType::F32, {2, m, n}), y = b.input("y", DType::I8, {n, m});
      b.output({DType::F32, {2, n, m}, [=](const Index& i) {
                  return x.at({i[0], i[2], i[1]}) + expr::cast(y.at({i[1], i[2]}), DType::F32);
                }});
      add("Transpose" + std::to_string(m) + "x" + std::to_string(n), "gpu_pointwise", {b.finish(), {}});
    }
    for (int64_t value : {1, 32, 37}) {
      auto n = expr::make_var("N", {1, INT64_MAX, 1});
      ProgramBuilder b;
      Term x = b.input("x", DType::F32, {Expr(n), 10}), y = b.input("y", DType::F32, {Expr(n), Expr(n)});
      b.output({DType::F32, {10, Expr(n)}, [=](const Index& i) {
                  return x.at({i[1], i[0]}) - expr::imm(1, DType::F32);
                }});
      b.output({DType::F32, {Expr(n), Expr(n)}, [=](const Index& i) { return y.at({i[1], i[0]}) + y.at(i); }});
      GpuCase& c = add("TransposeOfSymbolic" + std::to_string(value), "gpu_pointwise", {b.finish(), {}});
      c.problem.program.symbols = {n};
      c.symbols = {value};
    }
    // What a Select guards must not be fetched ahead.
    ProgramBuilder b;
    Term x = b.input("x", DType::F32, {64, 40}), y = b.input("y", DType::F32, {64, 90});
    b.output({DType::F32, {130, 64}, [=](const Index& i) {
                return expr::select(i[0] < Expr(40), x.at({i[1], i[0]}), y.at({i[1], i[0] - Expr(40)}));
              }});
    add("TransposedConcat", "gpu_pointwise", {b.finish(), {}});
  }

  void softmaxes() {
    for (size_t axis = 0; axis < 3; ++axis) {
      add("SoftmaxAlong" + std::to_string(axis), "gpu_row_reduction", softmax({3, 37, 50}, axis));
      add("ShortSoftmaxAlong" + std::to_string(axis), "gpu_row_reduction", softmax({2, 300, 3}, axis));
    }
    add("LongSoftmax", "gpu_row_reduction", softmax({1, 1000}, 1));
    for (size_t axis = 0; axis < 2; ++axis) {
      for (int64_t value : {1, 16, 130}) {
        auto n = expr::make_var("N", {1, INT64_MAX, 1});
        GpuCase& c = add("SoftmaxOfSymbolic" + std::to_string(value) + "Along" + std::to_string(axis),
                         "gpu_row_reduction", softmax({Expr(n), Expr(n)}, axis));
        c.problem.program.symbols = {n};
        c.symbols = {value};
      }
    }
    add("LayerNorm", "gpu_row_reduction", layer_norm());
  }

  void reductions() {
    {  // the sum before the maximum is a result of its own
      ProgramBuilder b;
      Term x = b.input("x", DType::F32, {6, 40, 5}), y = b.input("y", DType::F32, {6, 40, 5});
      Term sum = b.stage("add", DType::F32, {6, 40, 5}, [=](const Index& i) { return x.at(i) + y.at(i); });
      Term top = b.reduce("max", Reduce::Max, DType::F32, {6, 5}, {40}, [=](const Index& r, const Index& k) {
        return sum.at({r[0], k[0], r[1]});
      });
      b.output(sum);
      b.output({DType::F32, {6, 40, 5}, [=](const Index& i) {
                  return expr::max(sum.at(i) - top.at({i[0], i[2]}), expr::imm(-1, DType::F32));
                }});
      add("MapBesideReduction", "gpu_row_reduction", {b.finish(), {}});
    }
    for (DType dtype : {DType::F32, DType::F64, DType::F16, DType::I32, DType::I64, DType::U8}) {
      for (size_t axis = 0; axis < 3; ++axis) {
        std::vector<Expr> dims{5, 21, 34}, kept = dims;
        kept.erase(kept.begin() + long(axis));
        ProgramBuilder b;
        Term x = b.input("x", dtype, dims);
        DType working = dtype == DType::F16 ? DType::F32 : dtype;
        for (Reduce kind : {Reduce::Sum, Reduce::Product, Reduce::Max, Reduce::Min}) {
          Term reduced = b.reduce("r", kind, working, kept, {dims[axis]}, [=](const Index& out, const Index& in) {
            Index i = out;
            i.insert(i.begin() + long(axis), in[0]);
            return expr::cast(x.at(i), working);
          });
          b.output({dtype, kept, [=](const Index& i) { return expr::cast(reduced.at(i), dtype); }});
        }
        GpuCase& c = add("Reduce" + std::string(dtype_name(dtype)) + "Along" + std::to_string(axis),
                         "gpu_row_reduction", {b.finish(), {}});
        c.relative = c.absolute = dtype == DType::F16 ? 1e-3 : 1e-5;
        c.range = 1.2;
      }
    }
    {
      ProgramBuilder b;
      Term x = b.input("x", DType::F32, {7, 1003});
      b.output(b.reduce("r", Reduce::Sum, DType::F32, {}, {7, 1003}, [=](const Index&, const Index& in) {
        return x.at({in[0], in[1]});
      }));
      GpuCase& c = add("ReduceAll", "gpu_row_reduction", {b.finish(), {}});
      c.relative = 1e-4, c.absolute = 1e-3;
    }
    {
      ProgramBuilder b;
      Term y = b.input("y", DType::F32, {4, 9, 5, 33});
      b.output(b.reduce("r", Reduce::Max, DType::F32, {9}, {4, 5, 33}, [=](const Index& o, const Index& k) {
        return y.at({k[0], o[0], k[1], k[2]});
      }));
      add("ReduceSeveralAxes", "gpu_row_reduction", {b.finish(), {}});
    }
    for (size_t axis = 0; axis < 2; ++axis) {
      ProgramBuilder b;
      std::vector<Expr> dims{13, 70}, kept{dims[1 - axis]};
      Term x = b.input("x", DType::F32, dims);
      auto at = [=](const Index& o, const Index& k) { return axis ? Index{o[0], k[0]} : Index{k[0], o[0]}; };
      Term best = b.reduce("best", Reduce::Max, DType::F32, kept, {dims[axis]},
                           [=](const Index& o, const Index& k) { return x.at(at(o, k)); });
      b.output(b.reduce("arg", Reduce::Min, DType::I64, kept, {dims[axis]}, [=](const Index& o, const Index& k) {
        return expr::select(x.at(at(o, k)) == best.at(o), k[0], expr::int_imm(INT64_MAX));
      }));
      add("ArgMaxAlong" + std::to_string(axis), "gpu_row_reduction", {b.finish(), {}});
    }
  }

  void product(const std::string& name, const Matmul& p, bool batched_y, int epilogue,
               const std::vector<expr::VarPtr>& symbols = {}, const std::vector<int64_t>& values = {}) {
    GpuCase& c = add("Product" + name, "gpu_contraction", matmul_problem(p, batched_y, false, epilogue));
    c.problem.program.symbols = symbols;
    c.symbols = values;
    c.absolute = 5e-5;
    c.range = 1;
  }

  void products() {
    const int64_t shapes[][3] = {{1, 40, 30}, {5, 17, 9}, {15, 33, 7}, {29, 70, 33}, {64, 128, 32}, {130, 140, 1}};
    int t = 0;
    for (auto& s : shapes) {
      for (int i = 0; i < 2; ++i, ++t) {
        product(std::to_string(s[0]) + "x" + std::to_string(s[1]) + "x" + std::to_string(s[2]) + "Transposed" +
                    std::to_string(t % 4),
                {{}, s[0], s[1], s[2], (t & 1) != 0, (t & 2) != 0}, false, t % 3);
      }
    }
    product("Batched", {{2, 3}, 17, 40, 19}, true, 1);
    product("SharedRight", {{4}, 20, 24, 16, false, true}, false, 0);
    product("F64", {{}, 9, 21, 13, false, true, DType::F64}, false, 0);
    product("I32", {{}, 9, 21, 13, false, true, DType::I32}, false, 0);
    for (int64_t value : {1, 70}) {
      auto m = expr::make_var("M", {1, INT64_MAX, 1});
      std::string suffix = std::to_string(value);
      product("SymbolicRows" + suffix, {{}, Expr(m), 40, 33}, false, 1, {m}, {value});
      product("SymbolicSquare" + suffix, {{2}, Expr(m), Expr(m), 16, false, true}, true, 0, {m}, {value});
      product("SymbolicDepth" + suffix, {{2}, 6, 20, Expr(m)}, true, 0, {m}, {value});
    }
    {
      ProgramBuilder b;
      Term x = b.input("x", DType::F16, {20, 30}), y = b.input("y", DType::F16, {30, 40});
      Term c = b.reduce("c", Reduce::Sum, DType::F32, {20, 40}, {30}, [=](const Index& o, const Index& k) {
        return expr::cast(x.at({o[0], k[0]}), DType::F32) * expr::cast(y.at({k[0], o[1]}), DType::F32);
      });
      b.output({DType::F16, {20, 40}, [=](const Index& i) { return expr::cast(c.at(i), DType::F16); }});
      GpuCase& half = add("ProductOfHalves", "gpu_contraction", {b.finish(), {}});
      half.relative = half.absolute = 2e-3;
      half.range = 1;
    }
    // [B, H, S, D] product stored as [B, S, H * D].
    ProgramBuilder b;
    Term p = b.input("p", DType::F32, {2, 3, 20, 20}), v = b.input("v", DType::F32, {2, 20, 3, 32});
    Term c = b.reduce("pv", Reduce::Sum, DType::F32, {2, 3, 20, 32}, {20}, [=](const Index& o, const Index& k) {
      return p.at({o[0], o[1], o[2], k[0]}) * v.at({o[0], k[0], o[1], o[3]});
    });
    b.output({DType::F32, {2, 20, 96}, [=](const Index& i) {
                return c.at({i[0], i[2] / Expr(32), i[1], i[2] % Expr(32)});
              }});
    add("ProductStoredTransposed", "gpu_contraction", {b.finish(), {}});
  }

  void conv(const std::string& name, const char* family, const Conv& c) {
    GpuCase& added = add("Conv" + name, family, conv_problem(c));
    added.absolute = 1e-4;
    added.range = 1;
  }

  void windows() {
    for (int64_t stride : {1, 2}) {
      Conv c;
      c.n = 2, c.ic = 5, c.oc = 20, c.h = 13, c.w = 17, c.stride = stride, c.dilation = 3 - stride, c.pad = 1;
      conv("Stride" + std::to_string(stride), "gpu_window", c);
      conv("DirectStride" + std::to_string(stride), "gpu_direct", c);
    }
    Conv stem;
    stem.ic = 3, stem.oc = 33, stem.h = 30, stem.w = 31, stem.kernel = 7, stem.stride = 2, stem.pad = 3;
    conv("Stem", "gpu_window", stem);
    Conv point;
    point.kernel = 1, point.pad = 0, point.oc = 40;
    conv("Point", "gpu_contraction", point);
    point.n = 3, point.stride = 2;
    conv("StridedPoint", "gpu_contraction", point);
    Conv grouped;
    grouped.n = 2, grouped.ic = 8, grouped.oc = 12, grouped.groups = 4, grouped.h = 9, grouped.w = 11;
    conv("Grouped", "gpu_window", grouped);
    grouped.ic = grouped.oc = grouped.groups = 8;
    conv("Depthwise", "gpu_direct", grouped);
    for (auto [kernel, stride, pad] : {std::tuple<int64_t, int64_t, int64_t>{3, 2, 1}, {2, 2, 0}, {7, 7, 0}}) {
      std::string suffix = std::to_string(kernel);
      add("MaxPool" + suffix, "gpu_direct", pool_problem(Reduce::Max, false, 6, 14, 21, kernel, stride, pad));
      add("AveragePool" + suffix, "gpu_direct", pool_problem(Reduce::Sum, false, 6, 14, 21, kernel, stride, pad));
    }
  }
};

}  // namespace sardonyx::testing
