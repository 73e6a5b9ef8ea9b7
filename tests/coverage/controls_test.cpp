// Every input that steers an operator at run time stands in the table of hostile values (tests/hostile), or below with
// the reason why no value of it is hostile. By ONNX's schemas an input steers when it takes integers alone, or when its
// type is no output's; of operators that only later versions define each must be spoken of.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <sstream>
#include <string>

#include "compiler/ops/lowering.h"
#include "onnx/defs/schema.h"
#include "tests/coverage/newer.h"
#include "tests/hostile/row.h"

namespace sardonyx {
namespace {

// An operator's input: -1 is all of them.
using Input = std::pair<std::string, int>;

std::string full_name(const std::string& domain, const std::string& name) {
  return domain.empty() ? name : domain + "." + name;
}

// Operators with the inputs that need no row, "Name:1,2", or all: "Name".
struct Harmless {
  const char* inputs;
  const char* reason;
};
const Harmless harmless[] = {
    {"And Or Xor Equal Greater GreaterOrEqual Less LessOrEqual IsInf IsNaN BitwiseAnd BitwiseNot BitwiseOr "
     "BitwiseXor Where:0 DynamicQuantizeLinear Cast CastLike BitCast Size Shape NonZero ArgMax ArgMin",
     "each element gives one result, or only the shape is read"},
    {"QLinearConv QLinearMatMul ConvInteger MatMulInteger QuantizeLinear:0 DequantizeLinear:0 BatchNormalization",
     "numbers that are computed with"},
    {"RandomNormalLike RandomUniformLike EyeLike GridSample:0 NonMaxSuppression:0,1", "a shape, or data"},
    {"ConcatFromSequence SequenceAt:0 SequenceConstruct SequenceInsert:1 SequenceLength SequenceMap "
     "SplitToSequence:0 Optional OptionalGetElement OptionalHasElement StringConcat StringSplit RegexFullMatch",
     "values that are moved, or texts"},
    {"ai.onnx.ml.CastMap ai.onnx.ml.DictVectorizer ai.onnx.ml.ZipMap",
     "what they look up is in maps that the library "
     "made or took in; tests/compiler/ops/onnx_container_test.cpp"},
    {"ai.onnx.preview.training.Adagrad:0 ai.onnx.preview.training.Adam:0 ai.onnx.preview.training.Momentum:0",
     "a learning rate, computed with"},
    {"Acos Acosh Asin Asinh Atan Atanh Cos Cosh Sin Sinh Tan Elu Gelu HardSigmoid HardSwish Mish Selu Softplus "
     "Softsign "
     "Swish ThresholdedRelu Round Identity Det",
     "maps of floats"},
    {"AveragePool MaxPool LpPool GlobalAveragePool GlobalLpPool GlobalMaxPool Conv ConvTranspose GroupNormalization "
     "InstanceNormalization LpNormalization RMSNormalization Flatten Transpose Constant RandomNormal RandomUniform",
     "attributes and shapes alone steer them"},
    {"ImageDecoder", "a file format; tests/compiler/ops/image_test.cpp"},
    {"ai.onnx.preview.FlexAttention", "its subgraphs are ordinary operators"},
    {"ai.onnx.preview.training.Gradient", "takes data, for operators that are in the table themselves"},
};

std::map<Input, std::string> reasons() {
  std::map<Input, std::string> result;
  for (const Harmless& row : harmless) {
    std::istringstream words(row.inputs);
    for (std::string word; words >> word;) {
      const size_t colon = word.find(':');
      if (colon == std::string::npos) result[{word, -1}] = row.reason;
      if (colon == std::string::npos) continue;
      std::istringstream numbers(word.substr(colon + 1));
      for (std::string number; std::getline(numbers, number, ',');)
        result[{word.substr(0, colon), std::stoi(number)}] = row.reason;
    }
  }
  return result;
}

std::set<Input> in_table() {
  std::set<Input> result;
  for (const hostile::Row& row : hostile::rows()) {
    result.insert({full_name(row.test.domain, row.test.op), row.control});
    result.insert({full_name(row.test.domain, row.test.op), -1});
  }
  return result;
}

bool only_integers(const onnx::OpSchema::FormalParameter& input) {
  return std::all_of(input.GetTypes().begin(), input.GetTypes().end(), [](const std::string* type) {
    return type->rfind("tensor(int", 0) == 0 || type->rfind("tensor(uint", 0) == 0;
  });
}

// Inputs that steer, by the schemas, and -1 for operators that these do not know in their newest version.
std::set<Input> steering() {
  std::set<Input> result;
  for (const onnx::OpSchema& schema : onnx::OpSchemaRegistry::get_all_schemas_with_history()) {
    if (schema.Deprecated() || !ops::find_onnx_op(schema.domain(), schema.Name(), schema.SinceVersion()).lower)
      continue;
    std::set<std::string> results;
    for (const auto& output : schema.outputs()) results.insert(output.GetTypeStr());
    for (size_t i = 0; i < schema.inputs().size(); ++i)
      if (only_integers(schema.inputs()[i]) || !results.count(schema.inputs()[i].GetTypeStr()))
        result.insert({full_name(schema.domain(), schema.Name()), int(i)});
  }
  for (const Newer& row : newer) {
    std::istringstream names(row.names);
    for (std::string name; names >> name;) result.insert({full_name(row.domain, name), -1});
  }
  return result;
}

TEST(Controls, EachHasHostileValuesOrAReason) {
  const auto excused = reasons();
  const auto have = in_table();
  for (const Input& input : steering())
    if (!have.count(input) && !excused.count(input) && !excused.count({input.first, -1}))
      ADD_FAILURE() << input.first << (input.second < 0 ? "" : ", input " + std::to_string(input.second))
                    << ", is neither in the table of hostile values nor in the list of reasons";
}

TEST(Controls, ReasonsAreOfInputsThatSteer) {
  const auto known = steering();
  for (const auto& [input, reason] : reasons()) {
    const bool found = std::any_of(known.begin(), known.end(), [&, &name = input](const Input& one) {
      return one.first == name.first && (name.second < 0 || one.second == name.second);
    });
    EXPECT_TRUE(found) << input.first << ", input " << input.second << ": " << reason;
  }
}

}  // namespace
}  // namespace sardonyx
