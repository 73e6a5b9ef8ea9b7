// Family "inverted_residual": recognises the program and chooses its shape.
//
// Knobs: rows of the result per band; shares, grid indices per image.
#include "compiler/sketch/inverted_residual.h"

#include <algorithm>
#include <numeric>

#include "compiler/sketch/families.h"
#include "compiler/tensor/lower/lower.h"
#include "runtime/base/strings.h"

namespace sardonyx::sketch {

using expr::Kind;
using tensor::Index;

namespace {

bool is_var(const Expr& e, const VarPtr& var) { return e->kind == Kind::Var && e->var == var; }

bool uses_any(const Expr& e, const std::vector<Axis>& axes) {
  return std::any_of(axes.begin(), axes.end(), [&](const Axis& axis) { return expr::uses_var(e, axis.var.get()); });
}

class Matcher {
 public:
  Matcher(const Problem& problem, const Target& target) : problem_(problem), target_(target) {}

  // Empty when the program is none; `why` says what it lacks.
  std::optional<InvertedResidualProblem> run(std::string* why) {
    const bool fits = match();
    if (!fits) *why = lacking_;
    return fits ? std::optional(std::move(result_)) : std::nullopt;
  }

 private:
  bool lacks(const char* what) {
    lacking_ = what;
    return false;
  }

  // A sum without the reduction axes that have one point.
  static Stage without_single_taps(Stage stage) {
    std::vector<Axis> kept;
    for (const Axis& axis : stage.reduce_axes) {
      if (expr::is_const(axis.extent, 1))
        stage.body = tensor::substitute_shared(stage.body, {{axis.var.get(), Expr(0)}});
      else
        kept.push_back(axis);
    }
    stage.reduce_axes = std::move(kept);
    stage.body = tensor::simplify_index(stage.body, {});
    return stage;
  }

  bool match() {
    const Program& whole = problem_.program;
    if (whole.outputs.size() != 1) return lacks("one result");
    for (const Stage& stage : whole.stages)
      if (stage.scan_axis >= 0) return lacks("sums and maps alone");
    const Program flat = inline_pointwise(whole, [](const Stage&) { return false; });
    std::vector<Stage> sums;
    for (const Stage& stage : flat.stages) {
      if (stage.reduce == tensor::Reduce::None) continue;
      if (stage.reduce != tensor::Reduce::Sum || stage.output->dtype != DType::F32 || stage.axes.size() != 4)
        return lacks("sums over images");
      sums.push_back(without_single_taps(stage));
    }
    if (sums.size() < 2 || sums.size() > 3) return lacks("two or three sums");
    result_.program = &whole;
    result_.constant = problem_.constant;
    result_.constant.resize(whole.inputs.size());
    window_ = sums[sums.size() - 2];
    return match_projection(flat, sums.back()) && match_window() &&
           (sums.size() == 3 ? match_expansion(sums[0]) : match_image()) && match_reads();
  }

  // The steps read what they hand on, and inputs.
  bool match_reads() {
    std::vector<Expr> all{result_.value, result_.window, result_.weights};
    for (const Map::Output& out : result_.projection.epilogue) all.push_back(out.value);
    if (result_.expansion) all.insert(all.end(), {result_.expansion->value, result_.expansion->body});
    for (const Expr& e : all)
      for (const Expr& load : loads_of(e)) {
        const auto& inputs = problem_.program.inputs;
        const bool step = load->buffer == result_.sum || load->buffer == result_.projection.result ||
                          (result_.expansion && load->buffer == result_.expansion->sum);
        if (!step && std::find(inputs.begin(), inputs.end(), load->buffer) == inputs.end())
          return lacks("steps that nothing else reads");
      }
    return true;
  }

  bool is_constant(const Expr& load) const {
    const auto& inputs = problem_.program.inputs;
    const auto found = std::find(inputs.begin(), inputs.end(), load->buffer);
    return load->kind == Kind::Load && found != inputs.end() && result_.constant[size_t(found - inputs.begin())];
  }

  // The element that all loads of `buffer` in `e` are; undefined when there is none or they differ.
  static Expr one_load(const Expr& e, const BufferPtr& buffer) {
    const std::vector<Expr> loads = loads_of(e, buffer.get());
    for (const Expr& load : loads)
      if (!expr::equal(load, loads[0])) return Expr();
    return loads.empty() ? Expr() : loads[0];
  }

  static BufferPtr stand_in() { return make_buffer("sum", DType::F32, {}, expr::Buffer::Scope::Register); }

  // `e` with its element of `buffer` as the sum, when nothing else in it depends on anything but `channel`.
  static std::optional<Expr> over_channel(const Expr& e, const BufferPtr& buffer, const BufferPtr& sum,
                                          const std::vector<Axis>& others) {
    const Expr value = tensor::mutate_shared(
        e, [&](const Expr& x) { return x->kind == Kind::Load && x->buffer == buffer ? expr::load(sum, {}) : x; });
    return uses_any(value, others) ? std::nullopt : std::optional(value);
  }

  // The last product and what follows it, seen alone.
  bool match_projection(const Program& flat, const Stage& product) {
    Problem last{flat, result_.constant};
    last.program.inputs.push_back(window_.output);
    std::erase_if(last.program.stages, [&](const Stage& stage) {
      return stage.reduce != tensor::Reduce::None && stage.output != product.output;
    });
    auto found = tile_problem(last);
    if (const auto* refusal = std::get_if<Refusal>(&found)) {
      refused_ = refusal->reason;
      return lacks(refused_.c_str());
    }
    TileProblem& tile = result_.projection;
    tile = std::move(std::get<TileProblem>(found));
    tile.program = result_.program;
    tile.constant = result_.constant;
    if (tile.reduce_axes.size() != 1 || tile.body->kind != Kind::Mul) return lacks("a product over channels");
    result_.inner = tile.reduce_axes[0];
    const bool second = loads_of(tile.body->args[0], window_.output.get()).empty();
    const Expr image = tile.body->args[second ? 1 : 0];
    result_.weights = tile.body->args[second ? 0 : 1];
    const Expr element = one_load(image, window_.output);
    if (!element.defined() || !is_var(element->args[1], result_.inner.var)) return lacks("a projection");
    if (!is_constant(result_.weights)) return lacks("constant weights");
    if (!match_axes(element)) return false;
    result_.sum = stand_in();
    const auto value = over_channel(image, window_.output, result_.sum, tile.axes);
    if (!value) return lacks("a projection of maps per channel");
    result_.channel = {loop_var("c", result_.inner.extent), result_.inner.extent};
    result_.value = tensor::substitute_shared(*value, {{result_.inner.var.get(), Expr(result_.channel.var)}});
    return true;
  }

  // The axes of the projection are images, the channels of its weights, and all pixels, counted by the last index of
  // `element`.
  bool match_axes(const Expr& element) {
    TileProblem& tile = result_.projection;
    const auto height = constant(window_.axes[2].extent), width = constant(window_.axes[3].extent);
    if (!height || !width || !constant(result_.inner.extent)) return lacks("images of known size");
    std::optional<Axis> channels, pixels;
    for (const Axis& axis : tile.axes) {
      if (is_var(element->args[0], axis.var))
        result_.image = axis;
      else if (expr::is_const(axis.extent, *height * *width) && is_var(element->args[3], axis.var))
        pixels = axis;
      else if (expr::uses_var(result_.weights, axis.var.get()) && !channels)
        channels = axis;
      else
        return lacks("pixels that lie together");
    }
    if (!pixels || !channels || !expr::is_const(element->args[2], 0) || uses_any(result_.weights, {*pixels}))
      return lacks("pixels that lie together");
    if (result_.image.var ? uses_any(result_.weights, {result_.image}) : !expr::is_const(element->args[0], 0))
      return lacks("images of a batch");
    for (const Map::Output& out : tile.epilogue)
      if (!dense_in_blocks(flat_offset(*out.buffer, out.index), channels->var, tile_lanes(tile, target_)))
        return lacks("results in blocks of channels");
    tile.axes = {*channels, *pixels};
    tile.vector_axis = 0;
    tile.row_axis = 1;
    return true;
  }

  // position = out * stride + tap * dilation - pad
  static std::optional<WindowAxis> match_walk(const Expr& position, const Axis& out, const std::vector<Axis>& taps) {
    WindowAxis walk;
    walk.out = out.var;
    walk.outs = constant(out.extent).value_or(0);
    const auto by_out = expr::linear_in(position, out.var);
    if (!by_out || walk.outs < 1) return std::nullopt;
    walk.stride = expr::as_int(by_out->coefficient).value_or(0);
    Expr rest = by_out->rest;
    for (const Axis& tap : taps) {
      const auto by_tap = expr::linear_in(rest, tap.var);
      if (!expr::uses_var(rest, tap.var.get()) || !by_tap) continue;
      if (walk.tap || !constant(tap.extent)) return std::nullopt;
      walk.tap = tap.var;
      walk.taps = *constant(tap.extent);
      walk.dilation = expr::as_int(by_tap->coefficient).value_or(0);
      rest = by_tap->rest;
    }
    const auto offset = expr::as_int(expr::simplify(rest));
    if (!offset || *offset > 0 || walk.stride < 1 || walk.dilation < 1) return std::nullopt;
    walk.pad = -*offset;
    return walk;
  }

  // weights * (inside ? f(element) : 0)
  bool match_window() {
    if (window_.body->kind != Kind::Mul || window_.reduce_axes.empty()) return lacks("a depthwise convolution");
    const bool first = is_constant(window_.body->args[0]);
    taps_ = window_.body->args[first ? 0 : 1];
    image_ = window_.body->args[first ? 1 : 0];
    if (!is_constant(taps_) || uses_any(taps_, {window_.axes[0], window_.axes[2], window_.axes[3]}))
      return lacks("constant weights of the channels");
    if (image_->kind == Kind::Select && loads_of(image_->args[0]).empty()) {
      const Expr& padding = image_->args[2];
      if (padding->kind != Kind::FloatImm || padding->float_value != 0) return lacks("padding by zeros");
      split_conjunction(image_->args[0], conditions_);
      image_ = image_->args[1];
    }
    result_.taps = window_.reduce_axes;
    return true;
  }

  // In the variables of the problem instead of those of a stage.
  Expr renamed(const Expr& e, const Stage& stage, const Axis& channel) const {
    const Expr image = result_.image.var ? Expr(result_.image.var) : Expr(0);
    return tensor::simplify_index(
        tensor::substitute_shared(e, {{stage.axes[0].var.get(), image}, {stage.axes[1].var.get(), Expr(channel.var)}}),
        {});
  }

  bool match_expansion(const Stage& stage) {
    const Expr element = one_load(image_, stage.output);
    if (!element.defined() || !is_var(element->args[1], window_.axes[1].var)) return lacks("a window per channel");
    const bool same_image = is_var(element->args[0], window_.axes[0].var) || expr::is_const(stage.axes[0].extent, 1);
    const auto height = constant(stage.axes[2].extent), width = constant(stage.axes[3].extent);
    if (!same_image || !height || !width) return lacks("images of known size");
    const auto rows = match_walk(element->args[2], window_.axes[2], result_.taps);
    const auto columns = match_walk(element->args[3], window_.axes[3], result_.taps);
    if (!rows || !columns || (rows->tap && rows->tap == columns->tap)) return lacks("a window of known size");
    if (size_t(rows->tap != nullptr) + size_t(columns->tap != nullptr) != result_.taps.size())
      return lacks("a window of two axes");
    result_.rows = *rows;
    result_.columns = *columns;
    result_.rows.in = *height;
    result_.columns.in = *width;
    if (!is_small(result_.rows) || !is_small(result_.columns)) return lacks("a small window");
    if (!pads_alone()) return lacks("padding around the image");
    auto& expansion = result_.expansion.emplace();
    expansion.sum = stand_in();
    std::vector<Axis> others = result_.taps;
    for (size_t a : {0, 2, 3}) others.push_back(window_.axes[a]);
    const auto value = over_channel(image_, stage.output, expansion.sum, others);
    if (!value) return lacks("a window over maps per channel");
    expansion.channel = {loop_var("e", result_.channel.extent), result_.channel.extent};
    expansion.row = stage.axes[2];
    expansion.column = stage.axes[3];
    expansion.reduce_axes = stage.reduce_axes;
    expansion.value = renamed(*value, window_, expansion.channel);
    expansion.body = renamed(stage.body, stage, expansion.channel);
    if (!is_product_of_weights(expansion)) return lacks("an expansion by constant weights");
    result_.window = renamed(taps_, window_, result_.channel);
    return true;
  }

  // Weights over channels times something that does not depend on them.
  bool is_product_of_weights(const InvertedResidualProblem::Expansion& expansion) const {
    const Expr& body = expansion.body;
    if (body->kind != Kind::Mul || expansion.reduce_axes.empty()) return false;
    const bool first = uses_any(body->args[0], {expansion.channel});
    const Expr &weights = body->args[first ? 0 : 1], &other = body->args[first ? 1 : 0];
    return is_constant(weights) && !uses_any(other, {expansion.channel}) &&
           !uses_any(weights, {expansion.row, expansion.column});
  }

  // Its halo is kept beside every row.
  static bool is_small(const WindowAxis& walk) {
    constexpr int64_t most = 16;
    return walk.reach(1) <= most && walk.pad <= most && walk.reach(walk.outs) - walk.pad - walk.in <= most;
  }

  // Whether the conditions hold at the positions inside the image, and only there.
  bool pads_alone() const {
    for (const WindowAxis* walk : {&result_.rows, &result_.columns}) {
      // Positions are equal modulo this.
      const int64_t step = std::gcd(walk->stride, walk->tap ? walk->dilation : walk->stride);
      bool below = false, above = false;
      for (const Expr& condition : conditions_) {
        if (!walks(condition, *walk)) continue;
        const auto bound = bound_of(condition, *walk);
        if (!bound) return false;
        const int64_t wanted = bound->upper ? walk->in - 1 : 0, round = bound->upper ? 0 : step - 1;
        if ((bound->position + walk->pad + round) / step != (wanted + walk->pad + round) / step) return false;
        (bound->upper ? above : below) = true;
      }
      if (!below && walk->pad > 0) return false;
      if (!above && walk->reach(walk->outs) - walk->pad > walk->in) return false;
    }
    return std::all_of(conditions_.begin(), conditions_.end(), [&](const Expr& condition) {
      return walks(condition, result_.rows) != walks(condition, result_.columns);
    });
  }

  static bool walks(const Expr& condition, const WindowAxis& walk) {
    return expr::uses_var(condition, walk.out.get()) || (walk.tap && expr::uses_var(condition, walk.tap.get()));
  }

  // The first or last position for which a comparison holds.
  struct Bound {
    bool upper = false;
    int64_t position = 0;
  };
  static std::optional<Bound> bound_of(const Expr& condition, const WindowAxis& walk) {
    if (condition->kind != Kind::Lt && condition->kind != Kind::Le) return std::nullopt;
    const int64_t slack = condition->kind == Kind::Lt ? 1 : 0;
    const auto by_out = expr::linear_in(expr::simplify(condition->args[1] - condition->args[0]), walk.out);
    if (!by_out) return std::nullopt;
    const int64_t factor = expr::as_int(by_out->coefficient).value_or(0);
    Expr rest = by_out->rest;
    if (walk.tap) {
      const auto by_tap = expr::linear_in(rest, walk.tap);
      if (!by_tap || expr::as_int(by_tap->coefficient).value_or(0) * walk.stride != factor * walk.dilation)
        return std::nullopt;
      rest = by_tap->rest;
    }
    const auto offset = expr::as_int(expr::simplify(rest));
    if (!offset || factor == 0) return std::nullopt;
    // factor * (position + pad) / stride + offset >= slack
    if (factor < 0) return Bound{true, (*offset - slack) * walk.stride / -factor - walk.pad};
    return Bound{false, ((slack - *offset) * walk.stride + factor - 1) / factor - walk.pad};
  }

  // Without an expansion: the window reads the image where it lies.
  bool match_image() {
    for (const Expr& load : loads_of(image_))
      if (!dense_in_blocks(flat_offset(*load->buffer, load->args), window_.axes[1].var,
                           tile_lanes(result_.projection, target_)))
        return lacks("an image in blocks of channels");
    result_.rows.out = window_.axes[2].var;
    result_.columns.out = window_.axes[3].var;
    result_.rows.outs = *constant(window_.axes[2].extent);
    result_.columns.outs = *constant(window_.axes[3].extent);
    result_.window = renamed(window_.body, window_, result_.channel);
    return true;
  }

  const Problem& problem_;
  const Target& target_;
  InvertedResidualProblem result_;
  Stage window_;
  Expr taps_, image_;             // the factors of what the window sums
  std::vector<Expr> conditions_;  // under which the image is read
  std::string lacking_, refused_;
};

std::vector<InvertedResidualShape> shapes(const InvertedResidualProblem& problem, const Target& target) {
  const int64_t height = problem.rows.outs;
  const auto images = problem.image.var ? constant(problem.image.extent) : std::optional<int64_t>(1);
  std::vector<InvertedResidualShape> list;
  for (int64_t rows : {7, 8, 6, 5, 4, 2, 1}) {  // of equal cost the first is best
    if (rows > height) continue;
    const int64_t bands = (height + rows - 1) / rows;
    // Every core gets as much as the others, of any batch that only the run knows.
    int64_t shares = 1;
    while (images.value_or(1) * shares % target.cores != 0 && shares < bands) ++shares;
    list.push_back({rows, shares});
  }
  return list;
}

std::vector<Proposal> propose(const Problem& problem, const Target& target, std::string* why) {
  const auto matched = inverted_residual_problem(problem, target);
  if (const auto* refusal = std::get_if<Refusal>(&matched)) {
    if (why) *why = refusal->reason;
    return {};
  }
  const auto& block = std::get<InvertedResidualProblem>(matched);
  std::vector<Proposal> proposals;
  for (const InvertedResidualShape& shape : shapes(block, target))
    proposals.push_back(
        {{{"rows", shape.rows}, {"shares", shape.shares}}, inverted_residual_cost(block, shape, target)});
  sort_by_cost(proposals);
  return proposals;
}

Result lower(const Problem& problem, const Point& point, const Target& target) {
  const auto matched = inverted_residual_problem(problem, target);
  if (const auto* refusal = std::get_if<Refusal>(&matched)) return *refusal;
  return lower_inverted_residual(std::get<InvertedResidualProblem>(matched), {point.at("rows"), point.at("shares")},
                                 target);
}

}  // namespace

std::variant<InvertedResidualProblem, Refusal> inverted_residual_problem(const Problem& problem, const Target& target) {
  if (target.kind != tensor::TargetKind::Host) return Refusal{"only for the host"};
  std::string why;
  auto matched = Matcher(problem, target).run(&why);
  if (!matched) return Refusal{"no inverted residual block: it lacks " + why};
  return *matched;
}

const Family inverted_residual_family{"inverted_residual", 1, guarded_propose<propose>, guarded_lower<lower>};

}  // namespace sardonyx::sketch
