// Values and their types: what may be made, what fits, what two types have in common.
#include "runtime/base/value.h"

#include <gtest/gtest.h>

#include <functional>

#include "runtime/base/status.h"

namespace sardonyx {
namespace {

ValuePtr floats(Dims dims) { return make_tensor(Tensor(DType::F32, std::move(dims))); }

Status status_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& error) {
    return error.status();
  }
  return Status::Success;
}

TEST(Tensor, BlocksAreAlignedToVectors) {
  for (size_t bytes : {size_t{0}, size_t{1}, size_t{65}, size_t{1} << 20, (size_t{5} << 20) + 3}) {
    const auto block = allocate_bytes(bytes);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(block.get()) % 64, 0u) << bytes;
    if (bytes > 0) block.get()[0] = block.get()[bytes - 1] = 1;
  }
}

TEST(Value, ContainersShareTheirItems) {
  const ValuePtr item = floats({2});
  const ValuePtr sequence = make_sequence(DType::F32, {item, item});
  EXPECT_EQ(sequence->length(), 2);
  EXPECT_EQ(item.use_count(), 3);
  const Tensor slot = boxed(sequence);
  EXPECT_EQ(slot.bytes(), 0);
  EXPECT_EQ(unboxed(slot), sequence);
  // A slot without an owner, as a run passes them, finds its owner again.
  const Tensor alias(DType::Object, {},
                     std::shared_ptr<uint8_t>(std::shared_ptr<void>(), const_cast<uint8_t*>(slot.raw())));
  EXPECT_EQ(unboxed(alias), sequence);
  EXPECT_TRUE(same_bits(slot, alias));
  EXPECT_EQ(status_of([] { unboxed(Tensor(DType::F32, {})); }), Status::InternalError);
}

TEST(Value, RulesOfContainers) {
  EXPECT_EQ(status_of([] {
              make_sequence(DType::F32, {floats({}), make_optional(DType::F32, nullptr)});
            }),
            Status::InvalidDatatype);
  EXPECT_EQ(status_of([] { make_sequence(DType::I64, {floats({})}); }), Status::InvalidDatatype);
  EXPECT_EQ(status_of([] { make_optional(DType::I64, floats({})); }), Status::InvalidDatatype);
  const ValuePtr keys = make_tensor(Tensor::ints({{1, 2}}));
  EXPECT_EQ(status_of([&] { make_map(floats({2}), floats({2})); }), Status::InvalidDatatype);
  EXPECT_EQ(status_of([&] { make_map(keys, floats({3})); }), Status::InvalidShape);
  EXPECT_EQ(status_of([&] { make_map(make_tensor(Tensor::ints({{1, 1}})), floats({2})); }), Status::InvalidName);
  EXPECT_EQ(make_map(keys, floats({2}))->length(), 2);
  ValuePtr deep = floats({});
  for (int i = 1; i < max_value_depth; ++i) deep = make_optional(DType::F32, deep);
  EXPECT_EQ(status_of([&] { make_optional(DType::F32, deep); }), Status::InvalidSize);
}

TEST(Value, TextsAreCopiedWithTheirTensor) {
  std::vector<std::string> words{"short", std::string(100, 'x'), ""};
  Tensor tensor = Tensor::strings({3}, std::span<const std::string>(words));
  words[0] = "other";
  const Tensor clone = tensor.clone();
  tensor = {};
  EXPECT_EQ(clone.text(0), "short");
  EXPECT_EQ(clone.text(1), std::string(100, 'x'));
  EXPECT_TRUE(same_bits(clone, clone.clone()));
  EXPECT_EQ(Tensor(DType::String, {2}).text(1), "");
  EXPECT_EQ(Text({nullptr, 5}).view(), "");
  EXPECT_FALSE(same_bits(clone, Tensor(DType::String, {3})));
}

TEST(ValueType, UniteAndFit) {
  const ValueTypePtr two = sequence_of(tensor_type(DType::F32, {2, 3})),
                     open = sequence_of(tensor_type(DType::F32, {2, 4})),
                     flat = sequence_of(tensor_type(DType::F32, {2}));
  EXPECT_EQ(to_string(*united(two, open)), "seq(f32[2,?])");
  EXPECT_EQ(to_string(*united(two, flat)), "seq(tensor(f32))");
  EXPECT_EQ(to_string(*united(two, vacant_type(two))), "seq(f32[2,3])");
  EXPECT_EQ(to_string(*united(vacant_type(flat), flat)), "seq(f32[2])");
  EXPECT_EQ(united(two, optional_of(two)), nullptr);
  EXPECT_EQ(united(two, sequence_of(tensor_type(DType::I64))), nullptr);
  EXPECT_EQ(misfit(*make_sequence(DType::F32, {floats({2, 3})}), *two), "");
  EXPECT_NE(misfit(*make_sequence(DType::F32, {floats({3, 3})}), *two), "");
  EXPECT_NE(misfit(*make_sequence(DType::I64, {}), *two), "");
  EXPECT_NE(misfit(*floats({2, 3}), *two), "");
  const ValueTypePtr map = map_of(DType::I64, tensor_type(DType::F32));
  const ValuePtr keys = make_tensor(Tensor::ints({{1, 2}}));
  EXPECT_EQ(misfit(*make_map(keys, floats({2})), *map), "");
  EXPECT_NE(misfit(*make_map(keys, keys), *map), "");
  EXPECT_EQ(misfit(*make_map(keys, make_sequence(DType::F32, {floats({}), floats({})})), *map), "");
}

}  // namespace
}  // namespace sardonyx
