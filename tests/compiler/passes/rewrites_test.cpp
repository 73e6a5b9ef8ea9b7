// The local rewrites: simplify, canonicalize, fold, cse and dce, as textual graphs before and after.
#include "compiler/graph/builder.h"
#include "tests/compiler/passes/run_pass.h"

namespace sardonyx::passes {
namespace {

TEST(Passes, EveryPassHasANameAndAPurpose) {
  for (const Pass& pass : all_passes()) {
    EXPECT_EQ(find_pass(pass.name)->run, pass.run);
    EXPECT_GT(std::string(pass.purpose).size(), 10u) << pass.name;
  }
  for (const Pass& pass : pipeline()) EXPECT_NE(find_pass(pass.name), nullptr) << pass.name;
  EXPECT_EQ(find_pass("no such pass"), nullptr);
}

TEST(Passes, AFailingPassIsNamed) {
  auto graph = parsed("graph(%0:f32[4] \"x\") { yield %0 \"y\" }");
  const Pass failing{"failing", "fails",
                     [](graph::Graph&, PassContext&) -> bool { fail(Status::InternalError, "no"); }};
  PassContext context;
  try {
    run_passes(*graph, {failing}, context);
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_NE(error.text().find("failing"), std::string::npos) << error.text();
  }
}

// One rule of simplify: `before` and `after` are the body over inputs x, y (f32[N,4]) and i (i32[4]).
struct Rule {
  const char* name;
  const char *before, *after;
};

TEST(Simplify, Rules) {
  const std::string head = "graph(%0:f32[N,4] \"x\", %1:f32[N,4] \"y\", %2:i32[4] \"i\") {\n";
  const Rule rules[] = {
      {"x * 1",
       "%3:f32[] = constant {value=f32[]{1}} %4:f32[N,4] = broadcast %3 {dims=[N,4]} "
       "%5:f32[N,4] = binary %0, %4 {fn=mul} yield %5 \"z\"",
       "yield %0 \"z\""},
      {"x / 4",
       "%3:f32[] = constant {value=f32[]{4}} %4:f32[N,4] = broadcast %3 {dims=[N,4]} "
       "%5:f32[N,4] = binary %0, %4 {fn=div} yield %5 \"z\"",
       "%3:f32[] = constant {value=f32[]{0.25}} %4:f32[N,4] = broadcast %3 {dims=[N,4]} "
       "%5:f32[N,4] = binary %0, %4 {fn=mul} yield %5 \"z\""},
      {"x / 3 stays",
       "%3:f32[] = constant {value=f32[]{3}} %4:f32[N,4] = broadcast %3 {dims=[N,4]} "
       "%5:f32[N,4] = binary %0, %4 {fn=div} yield %5 \"z\"",
       "%3:f32[] = constant {value=f32[]{3}} %4:f32[N,4] = broadcast %3 {dims=[N,4]} "
       "%5:f32[N,4] = binary %0, %4 {fn=div} yield %5 \"z\""},
      {"x + 0 stays: -0 + 0 is 0",
       "%3:f32[] = constant {value=f32[]{0}} %4:f32[N,4] = broadcast %3 {dims=[N,4]} "
       "%5:f32[N,4] = binary %0, %4 yield %5 \"z\"",
       "%3:f32[] = constant {value=f32[]{0}} %4:f32[N,4] = broadcast %3 {dims=[N,4]} "
       "%5:f32[N,4] = binary %0, %4 yield %5 \"z\""},
      {"i + 0", "%3:i32[4] = constant {value=i32[4]{0,0,0,0}} %4:i32[4] = binary %2, %3 yield %4 \"z\"",
       "yield %2 \"z\""},
      {"pow(x, 2)",
       "%3:f32[] = constant {value=f32[]{2}} %4:f32[N,4] = broadcast %3 {dims=[N,4]} "
       "%5:f32[N,4] = binary %0, %4 {fn=pow} yield %5 \"z\"",
       "%3:f32[N,4] = binary %0, %0 {fn=mul} yield %3 \"z\""},
      {"--x", "%3:f32[N,4] = unary %0 %4:f32[N,4] = unary %3 yield %4 \"z\"", "yield %0 \"z\""},
      {"||x||", "%3:f32[N,4] = unary %0 {fn=abs} %4:f32[N,4] = unary %3 {fn=abs} yield %4 \"z\"",
       "%3:f32[N,4] = unary %0 {fn=abs} yield %3 \"z\""},
      {"transposes compose",
       "%3:f32[4,N] = transpose %0 {perm=[1,0]} %4:f32[N,4] = transpose %3 {perm=[1,0]} "
       "yield %4 \"z\"",
       "yield %0 \"z\""},
      {"reshapes compose",
       "%3:f32[N * 4] = reshape %0 {dims=[N * 4]} %4:f32[2,N * 2] = reshape %3 {dims=[2,N * 2]} "
       "yield %4 \"z\"",
       "%3:f32[2,N * 2] = reshape %0 {dims=[2,N * 2]} yield %3 \"z\""},
      {"widening casts compose", "%3:i64[4] = cast %2 {dtype=i64} %4:i16[4] = cast %3 {dtype=i16} yield %4 \"z\"",
       "%3:i16[4] = cast %2 {dtype=i16} yield %3 \"z\""},
      {"narrowing casts stay", "%3:i8[4] = cast %2 {dtype=i8} %4:i64[4] = cast %3 {dtype=i64} yield %4 \"z\"",
       "%3:i8[4] = cast %2 {dtype=i8} %4:i64[4] = cast %3 {dtype=i64} yield %4 \"z\""},
      {"select of a constant",
       "%3:bool[] = constant {value=bool[]{1}} %4:bool[N,4] = broadcast %3 {dims=[N,4]} "
       "%5:f32[N,4] = select %4, %0, %1 yield %5 \"z\"",
       "yield %0 \"z\""},
  };
  for (const Rule& rule : rules) {
    SCOPED_TRACE(rule.name);
    expect_rewrite(head + rule.before + "\n}", {"simplify", "dce"}, head + rule.after + "\n}");
  }
}

TEST(Canonicalize, TransposesBecomeFlagsOfMatmul) {
  expect_rewrite(R"(graph(%0:f32[B,7,4] "a", %1:f32[5,7] "b") {
    %2:f32[B,4,7] = transpose %0 {perm=[0,2,1]}
    %3:f32[7,5] = transpose %1 {perm=[1,0]}
    %4:f32[B,4,5] = matmul %2, %3
    yield %4 "y"
  })",
                 {"canonicalize", "dce"},
                 R"(graph(%0:f32[B,7,4] "a", %1:f32[5,7] "b") {
    %2:f32[B,4,5] = matmul %0, %1 {ta=true, tb=true}
    yield %2 "y"
  })");
}

TEST(Canonicalize, OtherTransposesStay) {
  auto graph = parsed(R"(graph(%0:f32[4,B,7] "a", %1:f32[7,5] "b") {
    %2:f32[B,4,7] = transpose %0 {perm=[1,0,2]}
    %3:f32[B,4,5] = matmul %2, %1
    yield %3 "y"
  })");
  run(*graph, {"canonicalize"});
  EXPECT_EQ(kinds(*graph), "transpose matmul");
}

TEST(Canonicalize, ZeroPaddingOfImagesBecomesConvolutionPadding) {
  const auto text = [](const char* fill, int channels) {
    return str("graph(%0:f32[1,3,6,6] \"x\", %1:f32[4,", 3 + channels, ",3,3] \"w\") {\n",
               "%2:f32[] = constant {value=f32[]{", fill, "}}\n", "%3:f32[1,", 3 + channels,
               ",9,8] = pad %0, %2 {before=[0,", channels, ",1,2], after=[0,0,2,0], mode=constant}\n",
               "%4:f32[1,4,9,8] = conv %3, %1 {strides=[1,1], dilations=[1,1], pads=[1,1,1,1], groups=1, dtype=f32}\n",
               "yield %4 \"y\"\n}");
  };
  auto graph = parsed(text("0", 0));
  const std::vector<Tensor> inputs = {driver::random_tensor(DType::F32, {1, 3, 6, 6}, 1),
                                      driver::random_tensor(DType::F32, {4, 3, 3, 3}, 2)};
  auto after = expect_same_values(*graph, {"canonicalize", "dce"}, 0, inputs);
  EXPECT_EQ(kinds(*after), "conv");
  graph = parsed(text("1", 0));
  EXPECT_EQ(kinds(*expect_same_values(*graph, {"canonicalize", "dce"}, 0, inputs)), "pad conv") << "fill is not zero";
  graph = parsed(text("0", 1));
  run(*graph, {"canonicalize", "dce"});
  EXPECT_EQ(kinds(*graph), "pad conv") << "channels are padded";
}

TEST(Canonicalize, ConstantsOfCommutativeMapsComeSecond) {
  expect_rewrite(R"(graph(%0:f32[2] "x") {
    %1:f32[2] = constant {value=f32[2]{1,2}}
    %2:f32[2] = binary %1, %0
    %3:f32[2] = binary %1, %2 {fn=sub}
    yield %3 "y"
  })",
                 {"canonicalize"},
                 R"(graph(%0:f32[2] "x") {
    %1:f32[2] = constant {value=f32[2]{1,2}}
    %2:f32[2] = binary %0, %1
    %3:f32[2] = binary %1, %2 {fn=sub}
    yield %3 "y"
  })");
}

TEST(Fold, EvaluatesConstants) {
  graph::Graph graph;
  graph::Builder b(graph);
  graph::Value* table = b.constant(driver::random_tensor(DType::F32, {40, 30}, 1));
  graph.set_outputs({b.exp(b.transpose(table, {1, 0}))}, {"y"});
  auto after = expect_same_values(graph, {"fold", "dce"}, 0, {});
  EXPECT_EQ(kinds(*after), "");
}

TEST(Fold, DoesNotBlowUpBroadcasts) {
  graph::Graph graph;
  graph::Builder b(graph);
  graph.set_outputs({b.exp(b.full(b.scalar(DType::F32, 2), {1000, 1000}))}, {"y"});
  run(graph, {"fold", "dce"});
  EXPECT_EQ(kinds(graph), "broadcast unary");
}

TEST(Fold, LeavesDivisionByZeroToTheRun) {
  auto graph = parsed(R"(graph(%0:i32[2] "x") {
    %1:i32[2] = constant {value=i32[2]{1,2}}
    %2:i32[2] = constant {value=i32[2]{0,1}}
    %3:i32[2] = binary %1, %2 {fn=div}
    %4:i32[2] = binary %3, %0
    yield %4 "y"
  })");
  run(*graph, {"fold", "dce"});
  EXPECT_EQ(kinds(*graph), "binary binary");
}

TEST(Cse, MergesEqualNodesAndKeepsTheirSources) {
  expect_rewrite(R"(graph(%0:f32[N] "x") {
    %1:f32[N] = unary %0 {fn=exp} from "a"
    %2:f32[N] = unary %0 {fn=exp} from "b"
    %3:f32[N] = unary %0 {fn=log} from "c"
    %4:f32[N] = binary %1, %2 from "d"
    yield %4 "y", %3 "z"
  })",
                 {"cse"},
                 R"(graph(%0:f32[N] "x") {
    %1:f32[N] = unary %0 {fn=exp} from "a", "b"
    %2:f32[N] = unary %0 {fn=log} from "c"
    %3:f32[N] = binary %1, %1 from "d"
    yield %3 "y", %2 "z"
  })");
}

TEST(Dce, RemovesWhatNothingUses) {
  expect_rewrite(R"(graph(%0:f32[N] "x") {
    %1:f32[N] = unary %0 {fn=exp}
    %2:f32[N] = unary %1 {fn=log}
    %3:f32[N] = unary %0 {fn=sqrt}
    yield %3 "y"
  })",
                 {"dce"},
                 R"(graph(%0:f32[N] "x") {
    %1:f32[N] = unary %0 {fn=sqrt}
    yield %1 "y"
  })");
}

TEST(Dce, KeepsChecksAndSymbolsInUse) {
  graph::Graph graph;
  graph::Builder b(graph);
  graph::Value* shape = graph.body().add_parameter({DType::I64, {2}, {}}, "shape");
  const auto dims = b.values_of(shape);
  b.values_of(graph.body().add_parameter({DType::I64, {1}, {}}, "unused"));
  b.check(expr::Expr(0) <= dims[0], Status::InvalidShape, "negative");
  graph.set_outputs({b.full(b.scalar(DType::F32, 1), dims)}, {"y"});
  run(graph, {"dce"});
  EXPECT_EQ(kinds(graph), "bind_dims check broadcast") << graph::to_string(graph);
}

}  // namespace
}  // namespace sardonyx::passes
