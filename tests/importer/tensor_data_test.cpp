// TensorProto to Tensor: every data type in every storage field.
#include "importer/tensor_data.h"

#include <cstring>

#include "importer/limits.h"
#include "runtime/base/status.h"
#include "tests/importer/models.h"

namespace sardonyx::importer::test {
namespace {

TensorProto tensor(int data_type, std::vector<int64_t> dims) {
  TensorProto result;
  result.set_data_type(data_type);
  for (int64_t dim : dims) result.add_dims(dim);
  return result;
}

Tensor convert(const TensorProto& message) {
  check_tensor(message, {});
  return to_tensor(message, {});
}

Status status_of(const TensorProto& message) {
  try {
    convert(message);
  } catch (const Error& error) {
    return error.status();
  }
  return Status::Success;
}

// Typed data and the raw bytes of the result's own memory give the same tensor.
void expect_same_as_raw(const TensorProto& typed) {
  Tensor expected = convert(typed);
  TensorProto raw = tensor(typed.data_type(), {typed.dims().begin(), typed.dims().end()});
  raw.set_raw_data(expected.raw(), size_t(expected.bytes()));
  EXPECT_TRUE(same_bits(convert(raw), expected)) << data_type_name(typed.data_type());
}

TEST(TensorData, SmallIntegersLiveInInt32Data) {
  for (int type :
       {TensorProto::INT32, TensorProto::INT16, TensorProto::INT8, TensorProto::UINT16, TensorProto::UINT8}) {
    TensorProto message = tensor(type, {3});
    for (int value : {1, 2, 100}) message.add_int32_data(value);
    Tensor result = convert(message);
    EXPECT_EQ(int(result.dtype()), type);
    EXPECT_EQ(result.as_int(2), 100);
    expect_same_as_raw(message);
  }
  TensorProto negative = tensor(TensorProto::INT8, {1});
  negative.add_int32_data(-5);
  EXPECT_EQ(convert(negative).as_int(0), -5);
}

TEST(TensorData, PackedElementsAreUnpacked) {
  struct Case {
    int type;
    std::vector<uint8_t> packed;
    std::vector<double> values;
  };
  const Case cases[] = {
      {TensorProto::INT4, {0x87, 0xff}, {7, -8, -1}},        {TensorProto::UINT4, {0x87, 0xff}, {7, 8, 15}},
      {TensorProto::FLOAT4E2M1, {0x87, 0xf2}, {6, -0.0, 1}}, {TensorProto::INT2, {0xe4, 0xfe}, {0, 1, -2, -1, -2}},
      {TensorProto::UINT2, {0xe4, 0xfe}, {0, 1, 2, 3, 2}},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(data_type_name(c.type));
    TensorProto typed = tensor(c.type, {int64_t(c.values.size())}), raw = typed;
    for (uint8_t byte : c.packed) typed.add_int32_data(byte);
    raw.set_raw_data(c.packed.data(), c.packed.size());
    const Tensor result = convert(raw);
    EXPECT_TRUE(same_bits(convert(typed), result));
    ASSERT_EQ(result.count(), int64_t(c.values.size()));
    for (size_t i = 0; i < c.values.size(); ++i) EXPECT_EQ(result.as_double(int64_t(i)), c.values[i]);
    EXPECT_FALSE(view_of(raw, nullptr).defined());
    raw.set_raw_data("\1\2\3\4\5", 5);
    EXPECT_EQ(status_of(raw), Status::InvalidModel);
  }
}

TEST(TensorData, Float8IsABytePerElement) {
  for (int type : {TensorProto::FLOAT8E4M3FN, TensorProto::FLOAT8E4M3FNUZ, TensorProto::FLOAT8E5M2,
                   TensorProto::FLOAT8E5M2FNUZ, TensorProto::FLOAT8E8M0}) {
    TensorProto message = tensor(type, {2});
    message.add_int32_data(0x41), message.add_int32_data(0x7a);
    const Tensor result = convert(message);
    EXPECT_EQ(result.raw()[1], 0x7a);
    expect_same_as_raw(message);
  }
}

TEST(TensorData, HalfFloatsAreBitPatternsInInt32Data) {
  TensorProto half = tensor(TensorProto::FLOAT16, {2});
  half.add_int32_data(0x3c00), half.add_int32_data(0x4000);
  EXPECT_EQ(convert(half).as_double(0), 1.0);
  EXPECT_EQ(convert(half).as_double(1), 2.0);
  expect_same_as_raw(half);
  TensorProto brain = tensor(TensorProto::BFLOAT16, {1});
  brain.add_int32_data(0xbf80);
  EXPECT_EQ(convert(brain).as_double(0), -1.0);
  expect_same_as_raw(brain);
}

TEST(TensorData, OtherTypesHaveFieldsOfTheirOwn) {
  TensorProto f32 = tensor(TensorProto::FLOAT, {2});
  f32.add_float_data(1.5f), f32.add_float_data(-2);
  EXPECT_EQ(convert(f32).as_double(0), 1.5);
  expect_same_as_raw(f32);
  TensorProto f64 = tensor(TensorProto::DOUBLE, {});
  f64.add_double_data(0.1);
  EXPECT_EQ(convert(f64).as_double(0), 0.1);
  expect_same_as_raw(f64);
  TensorProto i64 = tensor(TensorProto::INT64, {2});
  i64.add_int64_data(INT64_MIN), i64.add_int64_data(7);
  EXPECT_EQ(convert(i64).as_int(0), INT64_MIN);
  expect_same_as_raw(i64);
  TensorProto u32 = tensor(TensorProto::UINT32, {1});
  u32.add_uint64_data(0xffffffffu);
  EXPECT_EQ(convert(u32).as_int(0), 0xffffffff);
  expect_same_as_raw(u32);
  TensorProto u64 = tensor(TensorProto::UINT64, {1});
  u64.add_uint64_data(~uint64_t{0});
  EXPECT_EQ(convert(u64).data<uint64_t>()[0], ~uint64_t{0});
  expect_same_as_raw(u64);
  TensorProto c64 = tensor(TensorProto::COMPLEX64, {1});
  c64.add_float_data(1), c64.add_float_data(2);
  EXPECT_EQ(convert(c64).data<float>()[1], 2);
  expect_same_as_raw(c64);
  TensorProto c128 = tensor(TensorProto::COMPLEX128, {1});
  c128.add_double_data(1), c128.add_double_data(2);
  EXPECT_EQ(convert(c128).data<double>()[1], 2);
  expect_same_as_raw(c128);
}

TEST(TensorData, BoolsBecomeZeroOrOne) {
  TensorProto typed = tensor(TensorProto::BOOL, {3});
  for (int value : {0, 1, 256}) typed.add_int32_data(value);
  TensorProto raw = tensor(TensorProto::BOOL, {3});
  raw.set_raw_data(std::string("\x00\x01\xfe", 3));
  for (const TensorProto& message : {typed, raw}) {
    Tensor result = convert(message);
    EXPECT_EQ(std::string(reinterpret_cast<const char*>(result.raw()), 3), std::string("\x00\x01\x01", 3));
  }
}

TEST(TensorData, EmptyTensorsNeedNoData) {
  EXPECT_EQ(convert(tensor(TensorProto::FLOAT, {0})).count(), 0);
  EXPECT_EQ(convert(tensor(TensorProto::INT64, {3, 0, int64_t{1} << 40})).count(), 0);
  TensorProto raw = tensor(TensorProto::FLOAT, {0, 2});
  raw.set_raw_data("");
  EXPECT_EQ(convert(raw).dims(), (Dims{0, 2}));
}

TEST(TensorData, SubByteTypesArePacked) {
  struct Row {
    int type;
    int64_t elements, bytes;
  };
  for (Row row : {Row{TensorProto::INT4, 5, 3}, Row{TensorProto::UINT4, 4, 2}, Row{TensorProto::FLOAT4E2M1, 1, 1},
                  Row{TensorProto::INT2, 5, 2}, Row{TensorProto::UINT2, 4, 1}}) {
    int64_t dims[] = {row.elements};
    EXPECT_EQ(tensor_size(row.type, dims, 1).bytes, row.bytes) << data_type_name(row.type);
    TensorProto raw = tensor(row.type, {row.elements}), typed = raw;
    raw.set_raw_data(std::string(size_t(row.bytes), 'x'));
    for (int64_t i = 0; i < row.bytes; ++i) typed.add_int32_data(1);
    EXPECT_EQ(status_of(raw), Status::Success);
    EXPECT_EQ(status_of(typed), Status::Success);
    raw.mutable_raw_data()->push_back('x');
    typed.add_int32_data(1);
    EXPECT_EQ(status_of(raw), Status::InvalidModel);
    EXPECT_EQ(status_of(typed), Status::InvalidModel);
  }
}

TEST(TensorData, StringsOwnTheirTexts) {
  TensorProto strings = tensor(TensorProto::STRING, {2});
  strings.add_string_data("a"), strings.add_string_data(std::string("b\0c", 3));
  const Tensor result = to_tensor(strings, {});
  strings.Clear();
  EXPECT_EQ(result.text(0), "a");
  EXPECT_EQ(result.text(1), std::string_view("b\0c", 3));
  TensorProto few = tensor(TensorProto::STRING, {2});
  few.add_string_data("a");
  EXPECT_EQ(status_of(few), Status::InvalidModel);
}

TEST(TensorData, SparseStringsAreEmptyElsewhere) {
  SparseTensorProto sparse;
  sparse.add_dims(3);
  *sparse.mutable_values() = tensor(TensorProto::STRING, {1});
  sparse.mutable_values()->add_string_data("x");
  *sparse.mutable_indices() = ints("", {1}, {2});
  const Tensor dense = to_dense_tensor(sparse, {});
  sparse.Clear();
  EXPECT_EQ(dense.text(0), "");
  EXPECT_EQ(dense.text(2), "x");
}

TEST(TensorData, ViewsShareTheMessagesBytes) {
  auto message = std::make_shared<TensorProto>(floats("w", {4}, {1, 2, 3, 4}));
  Tensor view = view_of(*message, message);
  ASSERT_TRUE(view.defined());
  EXPECT_EQ(static_cast<const void*>(view.raw()), message->raw_data().data());
  message.reset();  // the view keeps it alive
  EXPECT_EQ(view.as_double(3), 4);
}

SparseTensorProto sparse(const std::vector<int64_t>& dims, std::vector<int64_t> index_dims,
                         const std::vector<int64_t>& indices, const std::vector<float>& values) {
  SparseTensorProto result;
  *result.mutable_values() = floats("s", {int64_t(values.size())}, values);
  *result.mutable_indices() = ints("", std::move(index_dims), indices);
  for (int64_t dim : dims) result.add_dims(dim);
  return result;
}

TEST(SparseTensors, BecomeDense) {
  for (const auto& message : {sparse({2, 3}, {2}, {1, 5}, {7, 8}), sparse({2, 3}, {2, 2}, {0, 1, 1, 2}, {7, 8})}) {
    check_sparse_tensor(message, {});
    Tensor dense = to_dense_tensor(message, {});
    EXPECT_EQ(dense.dims(), (Dims{2, 3}));
    std::vector<float> values(dense.data<float>(), dense.data<float>() + 6);
    EXPECT_EQ(values, (std::vector<float>{0, 7, 0, 0, 0, 8}));
  }
}

TEST(SparseTensors, AreChecked) {
  const SparseTensorProto bad[] = {
      sparse({2, 3}, {2}, {1, 6}, {7, 8}),
      sparse({2, 3}, {2}, {-1, 5}, {7, 8}),
      sparse({2, 3}, {2}, {5, 1}, {7, 8}),
      sparse({2, 3}, {2}, {1, 1}, {7, 8}),
      sparse({2, 3}, {2, 2}, {0, 1, 0, 3}, {7, 8}),
      sparse({2, 3}, {2, 2}, {1, 2, 0, 1}, {7, 8}),
      sparse({2, 3}, {1}, {1}, {7, 8}),
      sparse({2, 3}, {2, 3}, {0, 0, 0, 0, 0, 1}, {7, 8}),
      sparse({}, {2}, {0, 1}, {7, 8}),
      sparse({2, -3}, {2}, {0, 1}, {7, 8}),
      sparse({INT64_MAX, 4}, {2}, {0, 1}, {7, 8}),
  };
  for (const auto& message : bad) EXPECT_THROW(check_sparse_tensor(message, {}), Error);
}

TEST(SparseTensors, DoNotExplode) {
  SparseTensorProto bomb = sparse({int64_t{1} << 40}, {1}, {0}, {1});
  check_sparse_tensor(bomb, {});
  try {
    to_dense_tensor(bomb, {});
    FAIL() << "4 TiB were allocated";
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), Status::NoSystemMemory);
  }
}

}  // namespace
}  // namespace sardonyx::importer::test
