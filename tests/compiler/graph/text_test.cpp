// The textual form: printing, parsing, and messages of the parser.
#include <gtest/gtest.h>

#include "compiler/graph/builder.h"
#include "compiler/graph/graph.h"
#include "runtime/base/status.h"

namespace sardonyx::graph {
namespace {

void expect_round_trip(const Graph& graph) {
  std::string text = to_string(graph);
  auto parsed = parse(text);
  EXPECT_EQ(to_string(*parsed), text);
  verify(*parsed);
}

TEST(GraphText, PrintsAsDocumented) {
  Graph g;
  Builder b(g);
  Expr n = g.symbol("N");
  Value* x = g.body().add_parameter({DType::F32, {n, 4}, {}}, "x");
  b.set_sources({"exp_1"});
  g.set_outputs({b.transpose(b.exp(x), {1, 0})}, {"y"});
  EXPECT_EQ(to_string(g),
            "graph(%0:f32[N,4] \"x\") {\n"
            "  %1:f32[N,4] = unary %0 {fn=exp} from \"exp_1\"\n"
            "  %2:f32[4,N] = transpose %1 {perm=[1,0]} from \"exp_1\"\n"
            "  yield %2 \"y\"\n"
            "}\n");
  expect_round_trip(g);
}

TEST(GraphText, RoundTripsAttributesOfEveryFieldKind) {
  Graph g;
  Builder b(g);
  Expr n = g.symbol("N"), h = g.symbol("height \"h\"", {1, 1024, 4});
  Value* x = g.body().add_parameter({DType::F32, {n, 16, h, 8}, {}}, "in \\ put");
  Value* w = b.constant(Tensor::of<float>(DType::F32, {4}, std::vector<float>{1.5f, -0.f, 1e-30f, 3.f}));
  ConvAttrs conv;
  conv.strides = {2, 1};
  conv.dilations = {1, 1};
  conv.pads = {1, 0, 1, 0};
  Value* kernel = g.body().add_parameter({DType::F32, {8, 16, 3, 1}, {}}, "w");
  Value* y = b.conv(x, kernel, conv);
  Value* padded = b.pad(x, {0, 0, n + 1, 0}, {0, 0, 2, 0}, PadMode::Reflect);
  Value* cast = b.cast(b.reduce(ReduceFunction::Max, padded, {1, 2}, false), DType::F64);
  LrnAttrs lrn;
  lrn.alpha = 1e-3;
  lrn.size = 3;
  Value* normal = b.lrn(x, lrn);
  auto host = b.host_call("decode", "k=\"v\"", {x}, {{DType::U8, {g.fresh_symbol("bytes")}, {}}});
  g.set_outputs({y, cast, w, normal, host[0]}, {"a", "b \"q\"", "c", "d", "e"});
  g.equalities.push_back({n, h, "N must be h"});
  expect_round_trip(g);
}

TEST(GraphText, RoundTripsEveryElementType) {
  for (int code = 1; is_known(DType(code)); ++code) {
    const DType dtype{uint8_t(code)};
    EXPECT_EQ(dtype_from_name(dtype_name(dtype)), dtype);
    if (dtype == DType::String || is_complex(dtype)) continue;
    Graph g;
    Builder b(g);
    Tensor values(dtype, {3});
    for (int i = 0; i < 3; ++i) values.set_double(i, i);
    Value* x = g.body().add_parameter({dtype, {3}, {}}, "x");
    g.set_outputs({x, b.constant(values)}, {"y", "z"});
    expect_round_trip(g);
    const auto parsed = parse(to_string(g));
    EXPECT_TRUE(same_bits(*parsed->body().nodes().front()->result()->constant(), values)) << dtype_name(dtype);
  }
}

TEST(GraphText, RoundTripsControlFlow) {
  Graph g;
  Builder b(g);
  Value* x = g.body().add_parameter({DType::F32, {4}, {}}, "x");
  Value* c = g.body().add_parameter({DType::Bool, {}, {}}, "c");
  Value* trips = g.body().add_parameter({DType::I64, {}, {}}, "trips");
  auto branch = b.if_then_else(
      c, [&](Builder& inner) { return std::vector<Value*>{inner.neg(x)}; },
      [&](Builder& inner) {
        return std::vector<Value*>{inner.concat({x, x}, 0)};
      });
  auto looped = b.loop(trips, nullptr, {x}, [&](Builder& inner, Value*, Value* condition, std::vector<Value*> carried) {
    return std::vector<Value*>{condition, inner.exp(carried[0]), carried[0]};
  });
  g.set_outputs({branch[0], looped[0], looped[1]}, {"a", "b", "c"});
  verify(g);
  expect_round_trip(g);
}

TEST(GraphText, RoundTripsLayouts) {
  const char* text =
      "graph(%0:f32[1,16,8,8] \"x\") {\n"
      "  %1:f32[1,16,8,8]:abcd8b = reorder %0 {layout=\"ab8b\"}\n"
      "  yield %1 \"y\"\n"
      "}\n";
  auto graph = parse(text);
  verify(*graph);
  EXPECT_EQ(to_string(*graph), text);
}

TEST(GraphText, RebuildsContentsOfConstants) {
  auto graph = parse("graph() {\n  %0:i64[2] = constant {value=i64[2]{3,-4}}\n  yield %0 \"y\"\n}\n");
  const Value* value = graph->body().outputs()[0];
  ASSERT_TRUE(value->contents);
  EXPECT_TRUE(expr::is_const((*value->contents)[1], -4));
}

TEST(GraphText, SayWhereParsingFails) {
  struct Case {
    const char *text, *message;
  };
  for (const Case& c : {
           Case{"graph(%0:f32[2] \"x\") {\n  yield %7 \"y\"\n}", "line 2 column 11: %7 is not defined"},
           Case{"graph(%0:f99[2]) {\n}", "unknown data type 'f99'"},
           Case{"graph() {\n  frob\n}", "unknown operator 'frob'"},
           Case{"graph(%0:f32[2]) {\n  %1:f32[2] = unary %0 {gn=exp}\n}", "'unary' has no attribute 'gn'"},
           Case{"graph(%0:f32[2]) {\n  %1:f32[2] = unary %0 {fn=cube}\n}", "'cube' is no value of 'fn'"},
           Case{"graph(%0:f32[2], %0:f32[2]) {\n}", "%0 is defined twice"},
           Case{"graph() {\n  %0:f32[99] = constant {value=f32[99]#00}\n}", "large constant"},
           Case{"graph() {\n", "expected an operator"},
           Case{"graph() {\n} x", "text behind the graph"},
       }) {
    try {
      parse(c.text);
      FAIL() << c.text;
    } catch (const Error& error) {
      EXPECT_EQ(error.status(), Status::InvalidModel);
      EXPECT_NE(error.text().find(c.message), std::string::npos) << error.text();
    }
  }
}

}  // namespace
}  // namespace sardonyx::graph
