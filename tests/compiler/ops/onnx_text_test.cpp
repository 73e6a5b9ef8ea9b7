// ONNX operators on strings: values, how they move, and refusals.
#include "tests/compiler/ops/run.h"

namespace sardonyx::ops {
namespace {

using Texts = std::vector<std::string>;

Tensor texts(Dims dims, const Texts& values) {
  return Tensor::strings(std::move(dims), std::span<const std::string>(values));
}

Texts texts_of(const Tensor& tensor) {
  Texts result;
  for (int64_t i = 0; i < tensor.count(); ++i) result.emplace_back(tensor.text(i));
  return result;
}

void expect_texts(const Tensor& actual, const Dims& dims, const Texts& values) {
  ASSERT_EQ(actual.dtype(), DType::String);
  EXPECT_EQ(actual.dims(), dims);
  EXPECT_EQ(texts_of(actual), values);
}

Tensor in(const std::string& domain, const std::string& op, int opset, const Tensor& x, const Attributes& attributes) {
  return run_once({x}, false, [&](Builder& builder, Values values) {
    const OnnxOpVersion version = find_onnx_op(domain, op, opset);
    check(version.lower != nullptr, "unknown operator ", op);
    Lowering lowering(builder, "node", op, version.since, values, attributes, 1);
    return version.lower(lowering);
  })[0];
}

const Tensor grid = texts({2, 3}, {"a", "b", "", "long enough for the heap", "e", "f"});

TEST(Text, MovesAsNumbersDo) {
  expect_texts(run({.op = "Transpose", .inputs = {grid}})[0], {3, 2},
               {"a", "long enough for the heap", "b", "e", "", "f"});
  expect_texts(run({.op = "Gather", .inputs = {grid, i64({2}, {-1, 0})}, .attributes = {{"axis", int64_t{1}}}})[0],
               {2, 2}, {"", "a", "f", "long enough for the heap"});
  expect_texts(run({.op = "Concat",
                    .opset = 13,
                    .inputs = {grid, texts({1, 3}, {"x", "y", "z"})},
                    .attributes = {{"axis", int64_t{0}}},
                    .dynamic = false})[0],
               {3, 3}, {"a", "b", "", "long enough for the heap", "e", "f", "x", "y", "z"});
  expect_texts(
      run({.op = "Slice", .inputs = {grid, i64({1}, {1}), i64({1}, {3}), i64({1}, {1})}, .constants = {1, 2, 3}})[0],
      {2, 2}, {"b", "", "e", "f"});
  expect_texts(run({.op = "Reshape", .inputs = {grid, i64({1}, {6})}, .constants = {1}})[0], {6}, texts_of(grid));
  expect_texts(
      run({.op = "Expand", .inputs = {texts({1}, {"x"}), i64({2}, {2, 2})}, .dynamic = false, .constants = {1}})[0],
      {2, 2}, {"x", "x", "x", "x"});
  expect_texts(run({.op = "Tile", .inputs = {texts({2}, {"x", "y"}), i64({1}, {2})}, .constants = {1}})[0], {4},
               {"x", "y", "x", "y"});
}

TEST(Text, TakesFromSeveralTensors) {
  expect_texts(run({.op = "Where",
                    .inputs = {bools({2}, {1, 0}), texts({2}, {"a", "b"}), texts({1}, {"c"})},
                    .dynamic = false})[0],
               {2}, {"a", "c"});
  expect_texts(run({.op = "Pad",
                    .opset = 13,
                    .inputs = {texts({2}, {"a", "b"}), i64({2}, {1, 1}), texts({}, {"-"})},
                    .constants = {1}})[0],
               {4}, {"-", "a", "b", "-"});
  expect_texts(run({.op = "Pad", .opset = 13, .inputs = {texts({1}, {"a"}), i64({2}, {0, 1})}, .constants = {1}})[0],
               {2}, {"a", ""});
  expect_texts(
      run({.op = "ScatterND", .inputs = {texts({3}, {"a", "b", "c"}), i64({1, 1}, {1}), texts({1}, {"B"})}})[0], {3},
      {"a", "B", "c"});
}

TEST(Text, Compares) {
  expect_tensor(
      run({.op = "Equal", .opset = 19, .inputs = {texts({2}, {"a", "b"}), texts({1}, {"b"})}, .dynamic = false})[0],
      DType::Bool, {2}, {0, 1});
  const auto unique = run({.op = "Unique", .inputs = {texts({4}, {"b", "a", "b", "c"})}, .outputs = 4});
  expect_texts(unique[0], {3}, {"a", "b", "c"});
  expect_tensor(unique[1], DType::I64, {3}, {1, 0, 3});
  expect_tensor(unique[2], DType::I64, {4}, {1, 0, 1, 2});
  expect_tensor(run({.op = "NonZero", .inputs = {grid}})[0], DType::I64, {2, 5}, {0, 0, 1, 1, 1, 0, 1, 0, 1, 2});
}

TEST(Text, ShowsNumbersAsNumpyDoes) {
  const Attributes to = {{"to", int64_t{8}}};
  expect_texts(run({.op = "Cast", .inputs = {f32({7}, {0.1, 1, -2.5, 1e-5, 1e16, 0, 123456})}, .attributes = to})[0],
               {7}, {"0.1", "1.0", "-2.5", "1e-05", "1e+16", "0.0", "123456.0"});
  expect_texts(run({.op = "Cast", .inputs = {f32({3}, {NAN, INFINITY, -INFINITY})}, .attributes = to})[0], {3},
               {"NaN", "INF", "-INF"});
  expect_texts(run({.op = "Cast", .inputs = {make(DType::F64, {1}, {0.1})}, .attributes = to})[0], {1}, {"0.1"});
  expect_texts(run({.op = "Cast", .inputs = {make(DType::F16, {2}, {0.1, 2048})}, .attributes = to})[0], {2},
               {"0.1", "2048.0"});
  expect_texts(run({.op = "Cast", .inputs = {i64({2}, {-7, 8})}, .attributes = to})[0], {2}, {"-7", "8"});
  expect_texts(run({.op = "Cast", .inputs = {bools({2}, {0, 1})}, .attributes = to})[0], {2}, {"False", "True"});
}

TEST(Text, ReadsNumbers) {
  expect_tensor(run({.op = "Cast",
                     .inputs = {texts({6}, {"3.14", " 1e-5", "+INF", "-inf", "nan", "1E8 "})},
                     .attributes = {{"to", int64_t{1}}}})[0],
                DType::F32, {6}, {3.14, 1e-5, INFINITY, -INFINITY, NAN, 1e8});
  expect_tensor(run({.op = "Cast", .inputs = {texts({2}, {"-12", "100.5"})}, .attributes = {{"to", int64_t{7}}}})[0],
                DType::I64, {2}, {-12, 100});
  expect_tensor(run({.op = "Cast", .inputs = {texts({1}, {"0.5"})}, .attributes = {{"to", int64_t{10}}}})[0],
                DType::F16, {1}, {0.5});
  for (const char* text : {"", "Hello", "1x", "1e400000000x"})
    expect_error(Status::InternalError, {"is not a number"}, [&] {
      run({.op = "Cast", .inputs = {texts({1}, {text})}, .attributes = {{"to", int64_t{1}}}});
    });
  expect_error(Status::InternalError, {"is not a number"}, [&] {
    run({.op = "Cast", .inputs = {texts({1}, {"1e30"})}, .attributes = {{"to", int64_t{7}}}});
  });
}

TEST(Text, IsRefusedWhereItHasNoMeaning) {
  const Tensor x = texts({2}, {"a", "b"});
  for (const char* op : {"Add", "MatMul", "Max"})
    expect_error(Status::InvalidModel, {"string"}, [&] { run({.op = op, .inputs = {x, x}}); });
  for (const char* op : {"Neg", "ReduceSum", "Softmax", "Det"})
    expect_error(Status::InvalidModel, {}, [&] { run({.op = op, .inputs = {x}}); });
  expect_error(Status::InvalidModel, {"scatter_nd"}, [&] {
    run({.op = "ScatterND",
         .opset = 18,
         .inputs = {x, i64({1, 1}, {1}), texts({1}, {"B"})},
         .attributes = {{"reduction", std::string("add")}}});
  });
}

TEST(Text, ConditionsChooseAndLoopsCollect) {
  const auto results = run_once({bools({}, {0}), texts({2}, {"a", "b"})}, false, [](Builder& b, Values values) {
    Values chosen = b.if_then_else(
        values[0], [&](Builder&) { return Values{values[1]}; },
        [](Builder& at) { return Values{at.constant(texts({1}, {"else"}))}; });
    Values looped = b.loop(b.scalar(DType::I64, 3), nullptr, {values[1]},
                           [](Builder& at, Value*, Value* condition, Values carried) {
                             Value* next = at.concat({carried[0], at.constant(texts({1}, {"x"}))}, 0);
                             return Values{condition, next, at.gather(carried[0], at.scalar(DType::I64, -1), 0)};
                           });
    return Values{chosen[0], looped[0], looped[1]};
  });
  expect_texts(results[0], {1}, {"else"});
  expect_texts(results[1], {5}, {"a", "b", "x", "x", "x"});
  expect_texts(results[2], {3}, {"b", "x", "x"});
}

TEST(StringNormalizer, DropsStopWordsAndChangesCase) {
  const Tensor days = texts({3}, {"Monday", "tuesday", "\xC3\xA9t\xC3\xA9"});
  expect_texts(run({.op = "StringNormalizer",
                    .inputs = {days},
                    .attributes = {{"case_change_action", std::string("UPPER")}, {"stopwords", Texts{"monday"}}}})[0],
               {2}, {"TUESDAY", "\xC3\x89T\xC3\x89"});
  expect_texts(run({.op = "StringNormalizer",
                    .inputs = {days},
                    .attributes = {{"is_case_sensitive", int64_t{1}}, {"stopwords", Texts{"monday"}}}})[0],
               {3}, texts_of(days));
  expect_texts(run({.op = "StringNormalizer",
                    .inputs = {texts({1, 2}, {"a", "A"})},
                    .attributes = {{"stopwords", Texts{"a"}}},
                    .dynamic = false})[0],
               {1, 1}, {""});
  // What is not UTF-8 stays as it is.
  expect_texts(run({.op = "StringNormalizer",
                    .inputs = {texts({1}, {"a\xFF\xC3"})},
                    .attributes = {{"case_change_action", std::string("UPPER")}}})[0],
               {1}, {"A\xFF\xC3"});
  expect_error(Status::InvalidModel, {"[C] or [1,C]"}, [] { run({.op = "StringNormalizer", .inputs = {grid}}); });
  expect_error(Status::InvalidModel, {"case_change_action"}, [&] {
    run({.op = "StringNormalizer", .inputs = {days}, .attributes = {{"case_change_action", std::string("up")}}});
  });
}

TEST(StringSplit, PadsToTheMostParts) {
  const auto parts = run({.op = "StringSplit", .opset = 20, .inputs = {texts({2}, {" a  b ", ""})}, .outputs = 2});
  expect_texts(parts[0], {2, 2}, {"a", "b", "", ""});
  expect_tensor(parts[1], DType::I64, {2}, {2, 0});
  const auto limited = run({.op = "StringSplit",
                            .opset = 20,
                            .inputs = {texts({1}, {"a--b--c"})},
                            .attributes = {{"delimiter", std::string("--")}, {"maxsplit", int64_t{1}}},
                            .outputs = 2});
  expect_texts(limited[0], {1, 2}, {"a", "b--c"});
  const auto none = run({.op = "StringSplit",
                         .opset = 20,
                         .inputs = {texts({1}, {" a b c "})},
                         .attributes = {{"maxsplit", int64_t{1}}},
                         .outputs = 2});
  expect_texts(none[0], {1, 2}, {"a", "b c "});
}

TEST(StringConcat, Broadcasts) {
  expect_texts(run({.op = "StringConcat",
                    .opset = 20,
                    .inputs = {texts({2, 1}, {"a", "b"}), texts({2}, {"x", ""})},
                    .dynamic = false})[0],
               {2, 2}, {"ax", "a", "bx", "b"});
}

TEST(RegexFullMatch, IsLinearAndWhole) {
  const auto match = [](const std::string& pattern, const Texts& x) {
    return run({.op = "RegexFullMatch",
                .opset = 20,
                .inputs = {texts({int64_t(x.size())}, x)},
                .attributes = {{"pattern", pattern}}})[0];
  };
  expect_tensor(match("www\\.[a-z]+\\.org", {"www.a.org", "xwww.a.org", "www.a.org "}), DType::Bool, {3}, {1, 0, 0});
  expect_tensor(match("(a+)+$", {std::string(50000, 'a') + "b"}), DType::Bool, {1}, {0});
  expect_error(Status::InvalidModel, {"pattern"}, [&] { match("(", {"x"}); });
  expect_error(Status::InvalidModel, {"pattern"}, [&] { match("(?=x)", {"x"}); });
}

TEST(LabelEncoder, MapsBothWays) {
  const Tensor words = texts({3}, {"a", "z", "b"});
  expect_tensor(in("ai.onnx.ml", "LabelEncoder", 2, words,
                   {{"keys_strings", Texts{"a", "b"}}, {"values_int64s", std::vector<int64_t>{10, 20}}}),
                DType::I64, {3}, {10, -1, 20});
  expect_texts(in("ai.onnx.ml", "LabelEncoder", 2, i64({3}, {2, 1, 9}),
                  {{"keys_int64s", std::vector<int64_t>{1, 2}}, {"values_strings", Texts{"one", "two"}}}),
               {3}, {"two", "one", "_Unused"});
  expect_tensor(in("ai.onnx.ml", "LabelEncoder", 4, f32({3}, {NAN, 1, 0}),
                   {{"keys_floats", std::vector<double>{NAN, -0.0}},
                    {"values_floats", std::vector<double>{5, 6}},
                    {"default_float", 7.0}}),
                DType::F32, {3}, {5, 7, 6});
  expect_texts(in("ai.onnx.ml", "LabelEncoder", 1, i64({2}, {1, 5}), {{"classes_strings", Texts{"x", "y"}}}), {2},
               {"y", "_Unused"});
  expect_tensor(in("ai.onnx.ml", "CategoryMapper", 1, words,
                   {{"cats_strings", Texts{"a", "b"}}, {"cats_int64s", std::vector<int64_t>{3, 4}}}),
                DType::I64, {3}, {3, -1, 4});
  expect_error(Status::InvalidModel, {"2 keys and 1 values"}, [&] {
    in("ai.onnx.ml", "LabelEncoder", 2, words,
       {{"keys_strings", Texts{"a", "b"}}, {"values_int64s", std::vector<int64_t>{10}}});
  });
  expect_error(Status::InvalidModel, {"keys are of i64"}, [&] {
    in("ai.onnx.ml", "LabelEncoder", 2, words,
       {{"keys_int64s", std::vector<int64_t>{1}}, {"values_int64s", std::vector<int64_t>{10}}});
  });
}

TEST(TfIdfVectorizer, CountsWords) {
  const Attributes attributes = {{"mode", std::string("TF")},
                                 {"min_gram_length", int64_t{1}},
                                 {"max_gram_length", int64_t{2}},
                                 {"max_skip_count", int64_t{0}},
                                 {"ngram_counts", std::vector<int64_t>{0, 2}},
                                 {"ngram_indexes", std::vector<int64_t>{0, 1, 2}},
                                 {"pool_strings", Texts{"a", "b", "a", "b"}}};
  expect_tensor(
      run({.op = "TfIdfVectorizer", .inputs = {texts({4}, {"a", "b", "x", "a"})}, .attributes = attributes})[0],
      DType::F32, {3}, {2, 1, 1});
}

}  // namespace
}  // namespace sardonyx::ops
