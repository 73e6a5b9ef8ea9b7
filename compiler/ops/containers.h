// Building blocks of the operators on sequences, optionals and maps: calls of the host functions in container_functions
// with their result types.
#pragma once
#include <string>
#include <vector>

#include "compiler/graph/builder.h"

namespace sardonyx::ops {

using graph::Builder;
using graph::Value;

bool is_sequence(const Value* value);
bool is_optional(const Value* value);
bool is_map(const Value* value);

// What the container says of a value: of a tensor its dtype and static dims.
ValueTypePtr container_type(const Value* value);
// The graph's type of something that is of a container type: a tensor when the rank is known, with fresh symbols for
// open dims, which whatever makes the value binds; else an object.
graph::TensorType graph_type(Builder& b, const ValueTypePtr& type);
// A tensor whose rank only the run knows (an object) as a tensor of the given static or open (-1) dims.
Value* tensor_from(Builder& b, Value* object, const Dims& dims);

// One result.
Value* container_call(Builder& b, const char* name, const std::string& parameters, std::vector<Value*> operands,
                      graph::TensorType type);
// A call that hands out an item of a container: its function boxes a tensor when the rank is not known.
Value* item_call(Builder& b, const char* name, std::vector<Value*> operands, const ValueTypePtr& item);

Value* empty_sequence(Builder& b, const ValueTypePtr& element);
Value* sequence_at(Builder& b, Value* sequence, Value* position);
Value* sequence_length(Builder& b, Value* sequence);
// `position` null: at the end.
Value* sequence_insert(Builder& b, Value* sequence, Value* item, Value* position);

// An optional that holds the item, and what an optional holds.
Value* optional_of_item(Builder& b, Value* item);
Value* optional_item(Builder& b, Value* optional);

}  // namespace sardonyx::ops
