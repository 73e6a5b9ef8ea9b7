// The families, for the table in family.cpp. A new family is a file that defines one of these and a row there.
#pragma once
#include "compiler/sketch/family.h"

namespace sardonyx::sketch {

extern const Family pointwise_family;
extern const Family attention_family;
extern const Family inverted_residual_family;
extern const Family narrow_family;
extern const Family winograd_family;
extern const Family contraction_family;
extern const Family window_family;
extern const Family row_reduction_family;
extern const Family loops_family;

namespace gpu {

extern const Family pointwise_family;
extern const Family contraction_family;
extern const Family window_family;
extern const Family row_reduction_family;
extern const Family direct_family;

}  // namespace gpu

}  // namespace sardonyx::sketch
