#include "compiler/graph/attributes.h"

#include <gtest/gtest.h>

#include <limits>

namespace sardonyx::graph {
namespace {

TEST(Op, NamesRoundTrip) {
  for (int i = 0; i < op_count; ++i) {
    Op op;
    ASSERT_TRUE(op_from_name(op_name(Op(i)), &op)) << i;
    EXPECT_EQ(int(op), i);
    EXPECT_EQ(int(op_def(Op(i)).op), i);
  }
  EXPECT_EQ(op_name(Op::if_), "if");
  Op op;
  EXPECT_FALSE(op_from_name("conv2d", &op));
}

TEST(Attributes, EveryKindHasDefaults) {
  for (int i = 0; i < op_count; ++i) {
    auto attributes = make_attributes(Op(i));
    ASSERT_NE(attributes, nullptr);
    EXPECT_TRUE(equal_attributes(*attributes, *attributes->clone())) << op_name(Op(i));
    EXPECT_EQ(hash_attributes(*attributes), hash_attributes(*attributes->clone())) << op_name(Op(i));
  }
}

TEST(Attributes, NameTablesCoverTheirEnumerators) {
  auto count = [](const char* const* names) {
    int n = 0;
    while (names[n]) ++n;
    return n;
  };
  EXPECT_EQ(count(unary_names), int(UnaryFunction::Not) + 1);
  EXPECT_EQ(count(binary_names), int(BinaryFunction::Le) + 1);
  EXPECT_EQ(count(pad_mode_names), int(PadMode::Wrap) + 1);
  EXPECT_EQ(count(scatter_reduce_names), int(ScatterReduce::Max) + 1);
  EXPECT_EQ(count(reduce_names), int(ReduceFunction::Min) + 1);
  EXPECT_EQ(count(pool_names), int(PoolFunction::ArgMax) + 1);
  EXPECT_EQ(count(rnn_names), int(RnnKind::Rnn) + 1);
  EXPECT_STREQ(unary_names[int(UnaryFunction::Sigmoid)], "sigmoid");
  EXPECT_STREQ(binary_names[int(BinaryFunction::Xor)], "xor");
}

TEST(Attributes, PrintsFields) {
  TransposeAttrs transpose;
  transpose.perm = {0, 2, 1};
  EXPECT_EQ(print_attributes(transpose), "{perm=[0,2,1]}");
  EXPECT_EQ(print_attributes(NoAttrs()), "");
  LrnAttrs lrn;
  lrn.alpha = 0.1;
  EXPECT_EQ(print_attributes(lrn), "{alpha=0.1, beta=0.75, bias=1, size=1}");
  HostCallAttrs call;
  call.name = "a\"b\n";
  EXPECT_EQ(print_attributes(call), "{name=\"a\\\"b\\x0a\", parameters=\"\"}");
  ConstantAttrs constant;
  constant.value =
      Tensor::of<float>(DType::F32, {3}, std::vector<float>{1, 0.1f, std::numeric_limits<float>::infinity()});
  EXPECT_EQ(print_attributes(constant), "{value=f32[3]{1,0.10000000149011612,inf}}");
  constant.value = Tensor(DType::F32, {65});
  std::fill_n(constant.value.data<float>(), 65, 1.f);
  EXPECT_EQ(print_attributes(constant).substr(0, 15), "{value=f32[65]#");
}

TEST(Attributes, EqualityAndHashSeeEveryField) {
  ConvAttrs a;
  a.strides = {1, 1};
  a.pads = {0, 0, 1, 1};
  ConvAttrs b = a;
  EXPECT_TRUE(equal_attributes(a, b));
  EXPECT_EQ(hash_attributes(a), hash_attributes(b));
  b.groups = 2;
  EXPECT_FALSE(equal_attributes(a, b));
  EXPECT_NE(hash_attributes(a), hash_attributes(b));
  b = a;
  b.pads[3] = Expr(expr::make_var("p"));
  EXPECT_FALSE(equal_attributes(a, b));
  EXPECT_FALSE(equal_attributes(AxisAttrs(), GatherNdAttrs()));
  ConstantAttrs one, two;
  one.value = Tensor::scalar(DType::F32, 0.0);
  two.value = Tensor::scalar(DType::F32, -0.0);
  EXPECT_FALSE(equal_attributes(one, two));  // by bits
}

}  // namespace
}  // namespace sardonyx::graph
