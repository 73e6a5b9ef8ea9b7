// The table of derivatives: for every primitive kind a rule, or why there is none.
#pragma once
#include "compiler/gradient/adjoints.h"

namespace sardonyx::gradient {

struct Rule {
  Op op;
  void (*apply)(Adjoints& adjoints, const Node& node) = nullptr;
  const char* reason = nullptr;  // without a rule
};

const Rule& rule_of(Op op);

// pointwise.cpp
void differentiate_pointwise(Adjoints& a, const Node& node);
// movement.cpp
void differentiate_broadcast(Adjoints& a, const Node& node);
void differentiate_reshape(Adjoints& a, const Node& node);
void differentiate_transpose(Adjoints& a, const Node& node);
void differentiate_slice(Adjoints& a, const Node& node);
void differentiate_pad(Adjoints& a, const Node& node);
void differentiate_concat(Adjoints& a, const Node& node);
// indexing.cpp
void differentiate_gather(Adjoints& a, const Node& node);
void differentiate_gather_elements(Adjoints& a, const Node& node);
void differentiate_gather_nd(Adjoints& a, const Node& node);
void differentiate_scatter(Adjoints& a, const Node& node);
void differentiate_topk(Adjoints& a, const Node& node);
// reductions.cpp
void differentiate_reduce(Adjoints& a, const Node& node);
void differentiate_cumulate(Adjoints& a, const Node& node);
// contractions.cpp
void differentiate_matmul(Adjoints& a, const Node& node);
void differentiate_conv(Adjoints& a, const Node& node);
void differentiate_conv_transpose(Adjoints& a, const Node& node);
// windows.cpp
void differentiate_pool(Adjoints& a, const Node& node);
void differentiate_lrn(Adjoints& a, const Node& node);
// norms.cpp
void differentiate_softmax(Adjoints& a, const Node& node);
void differentiate_layer_norm(Adjoints& a, const Node& node);
// control.cpp
void differentiate_if(Adjoints& a, const Node& node);

}  // namespace sardonyx::gradient
