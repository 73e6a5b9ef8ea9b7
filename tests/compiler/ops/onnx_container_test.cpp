// ONNX operators on sequences, optionals and maps: values, inferred types, refusals.
#include "compiler/ops/containers.h"
#include "tests/compiler/ops/run.h"

namespace sardonyx::ops {
namespace {

using Texts = std::vector<std::string>;

class ContainerTest : public testing::Test {
 protected:
  Values lower(const std::string& op, int opset, const Values& inputs, const Attributes& attributes = {},
               int outputs = 1, const std::string& domain = "") {
    const OnnxOpVersion version = find_onnx_op(domain, op, opset);
    check(version.lower != nullptr, "operator ", op, " is unknown");
    Lowering lowering(b, "node", op, version.since, inputs, attributes, outputs);
    return version.lower(lowering);
  }
  Value* one(const std::string& op, const Values& inputs, const Attributes& attributes = {}, int opset = 18) {
    return lower(op, opset, inputs, attributes)[0];
  }
  Value* constant(const Tensor& tensor) { return b.constant(tensor); }
  Value* number(int64_t value) { return b.constant(i64({}, {double(value)})); }
  Value* input(graph::TensorType type) { return g.body().add_parameter(std::move(type), "x"); }

  std::vector<Tensor> results(const Values& outputs, const std::vector<Tensor>& inputs = {}) {
    g.set_outputs(outputs, std::vector<std::string>(outputs.size(), "y"));
    graph::verify(g);
    return graph::interpret(g, inputs);
  }
  // A run of what `build` makes fails. The graph is empty afterwards.
  void expect_failing(Status status, const std::string& fragment, const std::function<Value*()>& build) {
    Value* y = build();
    expect_error(status, {fragment}, [&] { results({y}); });
    while (!g.body().nodes().empty()) g.erase(g.body().nodes().back().get());
  }
  void expect_rejected(Status status, const std::string& fragment, const std::function<void()>& build) {
    expect_error(status, {fragment}, build);
  }

  graph::Graph g;
  Builder b{g};
};

TEST_F(ContainerTest, SequencesGrowShrinkAndAreRead) {
  Value* s = one("SequenceConstruct", {constant(f32({1}, {1})), constant(f32({2}, {2, 3}))});
  EXPECT_EQ(graph::to_string(s->type), "seq(f32[?])");
  s = one("SequenceInsert", {s, constant(f32({1}, {4})), number(-2)});
  Value* erased = one("SequenceErase", {s, number(1)});
  const auto y = results({one("SequenceLength", {s}), one("SequenceAt", {s, number(0)}),
                          one("SequenceAt", {erased, number(-1)}), one("SequenceLength", {one("SequenceErase", {s})})});
  expect_tensor(y[0], DType::I64, {}, {3});
  expect_tensor(y[1], DType::F32, {1}, {4});
  expect_tensor(y[2], DType::F32, {2}, {2, 3});
  expect_tensor(y[3], DType::I64, {}, {2});
}

TEST_F(ContainerTest, PositionsAreChecked) {
  const auto one_item = [&] { return one("SequenceConstruct", {constant(f32({1}, {1}))}); };
  for (int64_t position : {1, -2, 1 << 30})
    expect_failing(Status::InternalError, "out of range", [&] {
      return one("SequenceAt", {one_item(), number(position)});
    });
  expect_failing(Status::InternalError, "out of range", [&] {
    return one("SequenceErase", {one("SequenceEmpty", {}, {{"dtype", int64_t{7}}})});
  });
  expect_failing(Status::InternalError, "out of range", [&] {
    return one("SequenceInsert", {one_item(), constant(f32({1}, {1})), number(2)});
  });
}

TEST_F(ContainerTest, TypesMustFit) {
  Value* s = one("SequenceConstruct", {constant(f32({1}, {1}))});
  expect_rejected(Status::InvalidModel, "i64", [&] { one("SequenceInsert", {s, constant(i64({1}, {1}))}); });
  expect_rejected(Status::InvalidModel, "expected a sequence",
                  [&] { one("SequenceLength", {constant(f32({1}, {1}))}); });
  expect_rejected(Status::InvalidModel, "types", [&] { one("SequenceConstruct", {s, constant(f32({1}, {1}))}); });
  expect_rejected(Status::InvalidModel, "seq(f32[1])", [&] { b.add(s, s); });
  expect_rejected(Status::InvalidModel, "seq(f32[1])", [&] { b.reshape(s, {1}); });
  expect_rejected(Status::UnsupportedDatatype, "77", [&] { one("SequenceEmpty", {}, {{"dtype", int64_t{77}}}); });
  expect_rejected(Status::InvalidModel, "expected an integer", [&] {
    one("SequenceAt", {s, b.scalar(DType::F32, 0)});
  });
}

TEST_F(ContainerTest, SplitsAndConcatenates) {
  Value* x = constant(ramp({2, 5}));
  const auto joined = [&](Value* sequence, int64_t axis, int64_t fresh) {
    return one("ConcatFromSequence", {sequence}, {{"axis", axis}, {"new_axis", fresh}});
  };
  const Attributes axis = {{"axis", int64_t{1}}};
  Value* twos = one("SplitToSequence", {x, number(2)}, axis);
  Value* uneven = one("SplitToSequence", {x, constant(i64({3}, {1, 0, 4}))}, axis);
  Value* columns = one("SplitToSequence", {x}, {{"axis", int64_t{1}}, {"keepdims", int64_t{0}}});
  EXPECT_EQ(graph::to_string(columns->type), "seq(f32[2])");
  Value* texts =
      one("SplitToSequence", {constant(Tensor::strings({2}, std::span<const std::string>(Texts{"a", "b"})))});
  const auto y = results({one("SequenceLength", {twos}), one("SequenceAt", {twos, number(2)}), joined(uneven, 1, 0),
                          joined(columns, -1, 1), one("SequenceAt", {texts, number(1)})});
  expect_tensor(y[0], DType::I64, {}, {3});
  expect_tensor(y[1], DType::F32, {2, 1}, {4, 9});
  expect_tensor(y[2], DType::F32, {2, 5}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
  expect_tensor(y[3], DType::F32, {2, 5}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
  EXPECT_EQ(y[4].text(0), "b");
}

TEST_F(ContainerTest, SplitsThatDoNotFitFail) {
  for (const Tensor& split : {i64({}, {0}), i64({}, {-1}), i64({2}, {6, -1}), i64({2}, {2, 2})})
    expect_failing(Status::InternalError, "a split", [&] {
      return one("SequenceLength", {one("SplitToSequence", {constant(ramp({5})), constant(split)})});
    });
  expect_failing(Status::MismatchingShape, "concatenat", [&] {
    Value* mixed = one("SequenceConstruct", {constant(f32({1}, {1})), constant(f32({1, 2}, {2, 3}))});
    EXPECT_EQ(graph::to_string(mixed->type), "seq(tensor(f32))");
    return one("ConcatFromSequence", {mixed}, {{"axis", int64_t{0}}});
  });
}

TEST_F(ContainerTest, ItemsOfAnyRankAreObjects) {
  Value* s = one("SequenceConstruct", {constant(f32({1}, {1})), constant(f32({1, 2}, {2, 3}))});
  Value* item = one("SequenceAt", {s, number(1)});
  EXPECT_EQ(graph::to_string(item->type), "tensor(f32)");
  EXPECT_EQ(graph::to_string(one("SequenceInsert", {s, item})->type), "seq(tensor(f32))");
  const auto y = results({tensor_from(b, item, {-1, 2}), item});
  expect_tensor(y[0], DType::F32, {1, 2}, {2, 3});
  expect_tensor(unboxed(y[1])->tensor, DType::F32, {1, 2}, {2, 3});
}

TEST_F(ContainerTest, OptionalsSayWhetherTheyHold) {
  Value* full = one("Optional", {constant(f32({2}, {1, 2}))});
  Value* empty = one("Optional", {}, {{"type", sequence_of(tensor_type(DType::F32))}});
  EXPECT_EQ(graph::to_string(full->type), "optional(f32[2])");
  Value* x = constant(f32({1}, {3}));
  const auto y =
      results({one("OptionalHasElement", {full}), one("OptionalHasElement", {empty}), one("OptionalGetElement", {full}),
               one("OptionalHasElement", {}), one("OptionalHasElement", {x}), one("OptionalGetElement", {x})});
  expect_tensor(y[0], DType::Bool, {}, {1});
  expect_tensor(y[1], DType::Bool, {}, {0});
  expect_tensor(y[2], DType::F32, {2}, {1, 2});
  expect_tensor(y[3], DType::Bool, {}, {0});
  expect_tensor(y[4], DType::Bool, {}, {1});
  expect_tensor(y[5], DType::F32, {1}, {3});
  expect_rejected(Status::InvalidModel, "expected an optional", [&] { one("OptionalGetElement", {x}, {}, 15); });
  expect_rejected(Status::InvalidModel, "neither", [&] { one("Optional", {}); });
  expect_rejected(Status::InvalidModel, "optional of", [&] { one("Optional", {full}); });
}

TEST_F(ContainerTest, EmptyOptionalsHaveNoElement) {
  expect_failing(Status::InternalError, "no element", [&] {
    Value* empty = one("Optional", {}, {{"type", tensor_type(DType::F32, {2})}});
    return tensor_from(b, one("OptionalGetElement", {empty}), {2});
  });
}

TEST_F(ContainerTest, LoopsCarryWhatGrows) {
  Value* start = empty_sequence(b, tensor_type(DType::F32));
  Values looped = b.loop(number(3), nullptr, {start}, [&](Builder& at, Value* i, Value* condition, Values carried) {
    Value* item = at.full(at.cast(i, DType::F32), {graph::Expr(2)});
    return Values{condition, sequence_insert(at, carried[0], item, nullptr)};
  });
  EXPECT_EQ(graph::to_string(looped[0]->type), "seq(f32[2])");
  const auto y = results({sequence_length(b, looped[0]), sequence_at(b, looped[0], number(2))});
  expect_tensor(y[0], DType::I64, {}, {3});
  expect_tensor(y[1], DType::F32, {2}, {2, 2});
}

TEST_F(ContainerTest, NestedLoopsDoNotMultiplyForever) {
  const std::function<Value*(Builder&, int)> nest = [&](Builder& at, int depth) {
    if (depth == 0) return at.scalar(DType::F32, 1);
    Values looped =
        at.loop(at.scalar(DType::I64, 1), nullptr, {empty_sequence(at, tensor_type(DType::F32))},
                [&](Builder& inner, Value*, Value* condition, Values carried) {
                  return Values{condition, sequence_insert(inner, carried[0], nest(inner, depth - 1), nullptr)};
                });
    return sequence_at(at, looped[0], at.scalar(DType::I64, 0));
  };
  expect_tensor(results({nest(b, 3)})[0], DType::F32, {}, {1});
  expect_rejected(Status::UnsupportedShape, "nested too deeply", [&] { nest(b, 30); });
}

TEST_F(ContainerTest, BranchesUniteTypesAndLoopsDoNotCollect) {
  Value* condition = input({DType::Bool, {}, {}});
  Values chosen = b.if_then_else(
      condition, [&](Builder& at) { return Values{empty_sequence(at, tensor_type(DType::F32))}; },
      [&](Builder& at) {
        return Values{
            sequence_insert(at, empty_sequence(at, tensor_type(DType::F32)), at.scalar(DType::F32, 1), nullptr)};
      });
  EXPECT_EQ(graph::to_string(chosen[0]->type), "seq(f32[])");
  expect_rejected(Status::InvalidModel, "only tensors", [&] {
    b.loop(number(2), nullptr, {}, [&](Builder&, Value*, Value* go_on, Values) { return Values{go_on, chosen[0]}; });
  });
  expect_rejected(Status::InvalidModel, "result 0 of an if", [&] {
    b.if_then_else(
        condition, [&](Builder& at) { return Values{empty_sequence(at, tensor_type(DType::F32))}; },
        [&](Builder& at) { return Values{empty_sequence(at, tensor_type(DType::I64))}; });
  });
}

TEST_F(ContainerTest, SequenceMapAppliesItsBody) {
  Subgraph body{{"a", "b"},
                {"c", "d"},
                [](Builder& at, const Values& x) {
                  return Values{at.add(x[0], x[1]), at.shape_of(x[0])};
                },
                {tensor_type(DType::F32), tensor_type(DType::I64)}};
  Value* s = one("SequenceConstruct", {constant(f32({1}, {1})), constant(f32({2}, {2, 3}))});
  const Values mapped = lower("SequenceMap", 17, {s, constant(f32({1}, {10}))}, {{"body", body}}, 2);
  const auto y = results({one("SequenceAt", {mapped[0], number(1)}), one("SequenceAt", {mapped[1], number(1)})});
  expect_tensor(y[0], DType::F32, {2}, {12, 13});
  expect_tensor(y[1], DType::I64, {1}, {2});
  body.output_types[1] = nullptr;
  expect_rejected(Status::InvalidModel, "has no type", [&] {
    lower("SequenceMap", 17, {s, constant(f32({1}, {1}))}, {{"body", body}}, 2);
  });
}

TEST_F(ContainerTest, MapsBecomeTensorsAndTheReverse) {
  const auto ml = [&](const char* op, Value* x, const Attributes& attributes) {
    return lower(op, 1, {x}, attributes, 1, "ai.onnx.ml")[0];
  };
  Value* map = input(graph::object_type(map_of(DType::String, tensor_type(DType::F32))));
  Value* numbered = input(graph::object_type(map_of(DType::I64, tensor_type(DType::F32))));
  Value* vector = ml("DictVectorizer", map, {{"string_vocabulary", Texts{"a", "c", "b"}}});
  Value* dense = ml("CastMap", numbered, {{"cast_to", std::string("TO_INT64")}});
  Value* sparse = ml("CastMap", numbered, {{"map_form", std::string("SPARSE")}, {"max_map", int64_t{4}}});
  Value* zipped = ml("ZipMap", constant(f32({2, 2}, {1, 2, 3, 4})), {{"classlabels_strings", Texts{"x", "y"}}});
  EXPECT_EQ(graph::to_string(zipped->type), "seq(map(string,tensor(f32)))");
  const Texts words{"b", "a"};
  const ValuePtr values = make_tensor(f32({2}, {5, 6}));
  const auto y = results({vector, dense, sparse, zipped},
                         {boxed(make_map(make_tensor(Tensor::strings({2}, std::span(words))), values)),
                          boxed(make_map(make_tensor(i64({2}, {3, 0})), values))});
  expect_tensor(y[0], DType::F32, {1, 3}, {6, 0, 5});
  expect_tensor(y[1], DType::I64, {1, 2}, {6, 5});
  expect_tensor(y[2], DType::F32, {1, 4}, {6, 0, 0, 5});
  const ValuePtr row = unboxed(y[3])->items[1];
  EXPECT_EQ(row->items[0]->tensor.text(1), "y");
  expect_tensor(row->items[1]->tensor, DType::F32, {2}, {3, 4});
  expect_rejected(Status::InvalidModel, "vocabulary is of i64", [&] {
    ml("DictVectorizer", map, {{"int64_vocabulary", std::vector<int64_t>{1}}});
  });
  expect_rejected(Status::InvalidModel, "expected a map", [&] { ml("CastMap", vector, {}); });
}

TEST_F(ContainerTest, MapsBeyondTheirTargetFail) {
  Value* numbered = input(graph::object_type(map_of(DType::I64, tensor_type(DType::F32))));
  Value* sparse = lower("CastMap", 1, {numbered}, {{"map_form", std::string("SPARSE")}, {"max_map", int64_t{2}}}, 1,
                        "ai.onnx.ml")[0];
  for (double key : {-1.0, 2.0, 1e18})
    expect_rejected(Status::InternalError, "beyond", [&] {
      results({sparse}, {boxed(make_map(make_tensor(i64({1}, {key})), make_tensor(f32({1}, {1}))))});
    });
}

}  // namespace
}  // namespace sardonyx::ops
