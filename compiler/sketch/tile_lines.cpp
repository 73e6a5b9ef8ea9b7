#include "compiler/sketch/tile_lines.h"

namespace sardonyx::sketch {

std::optional<NextLine> next_line(const TileProblem& tile, const TileReduction& reduction, const Expr& body,
                                  const Target& target) {
  const std::vector<ReductionLoop>& loops = reduction.loops();
  if (target.kind != tensor::TargetKind::Host || tile.row_axis < 0 || loops.size() < 2) return std::nullopt;
  for (const Expr& load : distinct_nodes(body, expr::Kind::Load)) {
    if (typical_bytes(*load->buffer) <= double(target.l2_bytes) ||
        mentions(load, tile.axes[size_t(tile.vector_axis)].var))
      continue;
    const int64_t pixel = byte_stride(load, tile.axes[size_t(tile.row_axis)].var);
    if (pixel == 0 || pixel % cache_line_bytes != 0) continue;
    size_t depth = loops.size();
    while (depth > 0 && byte_stride(load, loops[depth - 1].axis.var) <= pixel) --depth;
    if (depth == loops.size()) continue;
    for (size_t line = 0; line < tile.axes.size(); ++line) {
      if (int(line) == tile.row_axis || int(line) == tile.vector_axis) continue;
      const int64_t pitch = byte_stride(load, tile.axes[line].var);
      if (pitch <= pixel) continue;
      for (size_t tap = 0; tap < depth; ++tap) {
        const auto taps = constant(loops[tap].axis.extent);
        if (taps && byte_stride(load, loops[tap].axis.var) == pitch) return NextLine{load, tap, *taps, depth};
      }
    }
  }
  return std::nullopt;
}

Stmt prefetch_line(const NextLine& next, const TileProblem& tile, const TileReduction& reduction,
                   const expr::Substitution& bound, const Expr& row0, int64_t rows) {
  const std::vector<ReductionLoop>& loops = reduction.loops();
  const int64_t share = (rows + next.taps - 1) / next.taps;
  const VarPtr i = loop_var("i", share);
  expr::Substitution at = bound;
  for (const ReductionLoop& loop : loops) at.try_emplace(loop.axis.var.get(), Expr(0));
  Expr& tap = at.at(loops[next.tap].axis.var.get());
  at[tile.axes[size_t(tile.row_axis)].var.get()] = row0 + tap * share + Expr(i);
  tap = Expr(next.taps);
  std::vector<Expr> index;
  for (const Expr& e : next.load->args) index.push_back(tensor::substitute_shared(e, at));
  return tensor::make_for(tensor::ForKind::Unrolled, i, share,
                          tensor::make_prefetch(next.load->buffer, std::move(index), tensor::CacheLevel::Second));
}

}  // namespace sardonyx::sketch
