#include <algorithm>
#include <unordered_set>

#include "compiler/tensor/lower/lower.h"
#include "compiler/tensor/schedule/common.h"

namespace sardonyx::tensor {

std::vector<LoweredKernel> launches(const Nest& nest, const std::string& name) {
  std::vector<LoweredKernel> kernels;
  for (Stmt body : nest.nests) {
    LoweredKernel kernel;
    kernel.name = name;
    kernel.symbols = nest.symbols;
    expr::Scope scope;
    while (body->kind == StmtKind::For && body->for_kind == ForKind::Grid) {
      kernel.grid.push_back({body->var, body->extent});
      auto extent = expr::as_int(body->extent);
      scope[body->var.get()] = {0, extent ? *extent - 1 : INT64_MAX, 1};
      body = body->body[0];
    }
    verify(make_loops(ForKind::Grid, kernel.grid, body), nest.symbols);
    kernel.body = lower(body, scope);
    scratch_layout(kernel.body, &kernel.scratch_bytes);
    std::unordered_set<const expr::Buffer*> read, written;
    visit_exprs(kernel.body, [&](const Expr& e) {
      mutate_shared(e, [&](const Expr& x) {
        if (x->kind == expr::Kind::Load) read.insert(x->buffer.get());
        return x;
      });
    });
    visit(kernel.body, [&](const Stmt& s) {
      if (s->kind == StmtKind::Store) written.insert(s->buffer.get());
      return true;
    });
    std::vector<BufferPtr> all = nest.inputs;
    all.insert(all.end(), nest.temporaries.begin(), nest.temporaries.end());
    all.insert(all.end(), nest.outputs.begin(), nest.outputs.end());
    for (const BufferPtr& b : all) {
      if (read.count(b.get()) && !written.count(b.get())) kernel.buffers.push_back(b);
    }
    kernel.outputs = 0;
    for (const BufferPtr& b : all) {
      if (!written.count(b.get())) continue;
      kernel.buffers.push_back(b);
      ++kernel.outputs;
    }
    kernels.push_back(std::move(kernel));
  }
  return kernels;
}

}  // namespace sardonyx::tensor
