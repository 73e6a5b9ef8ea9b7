// Concatenations whose operands are written where they stand in the result.
#include "tests/compiler/driver/run_graph.h"

#include "compiler/graph/builder.h"

namespace sardonyx::driver {
namespace {

using graph::Builder;
using graph::Graph;
using graph::Value;

class InPlace : public testing::Test {
 protected:
  Value* input(const char* name, std::vector<expr::Expr> dims) {
    Value* value = graph.body().add_parameter({DType::F32, std::move(dims), {}}, name);
    Dims extents;
    for (const expr::Expr& dim : value->type.dims) extents.push_back(expr::as_int(dim).value_or(3));
    tensors.push_back(random_tensor(DType::F32, extents, tensors.size() + 1));
    return value;
  }
  // Something that a group makes.
  Value* made(Value* x) { return b.exp(x); }
  // 3 x 3, which wants blocks of channels.
  Value* convolved(Value* x, int64_t outputs) {
    const int64_t inputs = *expr::as_int(x->type.dims[1]);
    return b.conv(x, b.constant(random_tensor(DType::F32, {outputs, inputs, 3, 3}, 7)), same_size());
  }
  // Compiles, compares with the interpreter, and answers how the concatenations are reported.
  std::vector<std::string> reports(std::vector<Value*> outputs) {
    std::vector<std::string> names;
    for (size_t i = 0; i < outputs.size(); ++i) names.push_back(str("y", i));
    graph.set_outputs(std::move(outputs), std::move(names));
    for (Policy policy : {Policy::Auto, Policy::Codegen, Policy::Library})
      expect_compiled_equals_interpreted(graph, tensors, policy);
    std::vector<std::string> found;
    const auto program = compile_copy(graph);
    for (const runtime::GroupReport& entry : program->report)
      if (entry.primitives == "concat") found.push_back(entry.candidate);
    return found;
  }

  Graph graph;
  Builder b{graph};
  std::vector<Tensor> tensors;
};

using Reports = std::vector<std::string>;

TEST_F(InPlace, WritesResultsOfGroupsWhereTheyStand) {
  Value* x = input("x", {1, 4, 5});
  Value* y = input("y", {1, 3, 5});
  Value* whole = b.concat({made(x), made(y)}, 1);
  EXPECT_EQ(reports({whole}), Reports{"in place, 0 of 2 operands copied"});
}

TEST_F(InPlace, CopiesWhatNoGroupMakes) {
  Value* x = input("x", {1, 4, 5});
  Value* y = input("y", {1, 3, 5});
  EXPECT_EQ(reports({b.concat({x, made(y), b.constant(random_tensor(DType::F32, {1, 2, 5}, 9))}, 1)}),
            Reports{"in place, 2 of 3 operands copied"});
}

TEST_F(InPlace, NestsAndSharesOperands) {
  Value* x = made(input("x", {4, 5}));
  Value* first = b.concat({x, made(b.neg(x))}, 0);
  Value* second = b.concat({first, b.neg(first)}, 0);
  Value* third = b.concat({made(first), first}, 0);  // `first` stands in `second`
  EXPECT_EQ(reports({second, third}), (Reports{"in place, 0 of 2 operands copied", "in place, 0 of 2 operands copied",
                                               "in place, 1 of 2 operands copied"}));
}

TEST_F(InPlace, LeavesOutputsAndViewsWhereTheyAre) {
  Value* x = made(input("x", {4, 5}));
  Value* y = b.exp(b.neg(x));
  Value* viewed = b.sqrt(made(x));
  Value* flat = b.reshape(viewed, {20});
  EXPECT_EQ(reports({y, flat, b.concat({x, y, viewed}, 0)}), Reports{"in place, 2 of 3 operands copied"});
}

TEST_F(InPlace, KeepsAKernelWhereOperandsAreNoPieces) {
  Value* x = input("x", {2, 4});
  Value* y = input("y", {2, 3});
  EXPECT_EQ(reports({b.concat({made(x), made(y)}, 1)}).at(0).substr(0, 8), "codegen.");
}

TEST_F(InPlace, KeepsAKernelForOpenDims) {
  Value* x = input("x", {2, 4});
  Value* y = input("y", {graph.symbol("N"), 4});
  EXPECT_EQ(reports({b.concat({made(y), made(x)}, 0)}).at(0).substr(0, 8), "codegen.");
}

TEST_F(InPlace, KeepsAKernelWhereAnOperandStandsTwice) {
  Value* x = made(input("x", {2, 4}));
  EXPECT_EQ(reports({b.concat({x, x}, 0)}).at(0).substr(0, 8), "codegen.");
}

TEST_F(InPlace, TakesBlocksOfChannels) {
  Value* x = input("x", {1, 32, 9, 9});
  Value* whole = b.concat({convolved(x, 32), convolved(x, 48)}, 1);
  EXPECT_EQ(reports({convolved(whole, 16)}), Reports{"in place, 0 of 2 operands copied"});
}

TEST_F(InPlace, ReordersPartialBlocks) {
  Value* x = input("x", {1, 32, 9, 9});
  Value* whole = b.concat({convolved(x, 24), convolved(x, 40)}, 1);
  EXPECT_EQ(reports({convolved(whole, 16)}), Reports{"in place, 0 of 2 operands copied"});
}

}  // namespace
}  // namespace sardonyx::driver
