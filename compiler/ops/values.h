// What host functions share that see strings and containers.
#pragma once
#include <span>
#include <vector>

#include "runtime/base/tensor.h"
#include "runtime/base/value.h"

namespace sardonyx::ops {

// An operand as a value: a container or boxed tensor as it is, a tensor as one that owns its memory.
ValuePtr value_of(const Tensor& operand);

// Elements [start, start + count) of `axis`, in memory of its own.
Tensor slice_of(const Tensor& x, size_t axis, int64_t start, int64_t count);
// The tensors, which differ on `axis` alone, one behind the other. Throws Error(MismatchingShape, MismatchingDatatype).
Tensor concatenated(std::span<const Tensor> parts, size_t axis);
// The axis of a tensor of `rank` that `axis` means; negative ones count from the end. Throws Error(MismatchingShape).
size_t run_time_axis(int64_t axis, size_t rank);
// The position in something of `length` that `position` means; negative ones count from the end. With `inclusive` the
// length itself is one. Throws Error(InternalError), as for every index out of range in a run.
int64_t run_time_position(int64_t position, int64_t length, bool inclusive);

// The numbers of a parameter string.
std::vector<int64_t> numbers_in(const std::string& parameters);

}  // namespace sardonyx::ops
