// Forced placement: rules "pattern=device", separated by semicolons; the first whose pattern fits a group counts.
//
//   layer1/*=cpu;op:conv=opencl:0
//
// A pattern is a shell's (* ? [a-z]) over the names of the group's ONNX nodes or, behind "op:", over the kinds of its
// primitives, whose case does not count. A group of several nodes follows the first rule that fits any of them.
#pragma once
#include <string>
#include <vector>

#include "compiler/driver/place.h"

namespace sardonyx::driver {

struct PlacementRule {
  std::string text;     // as written, for messages
  std::string pattern;  // without "op:"
  bool of_kinds = false;
  int device = -1;  // -1: the rule names a device that is not there
};

// Empty rules are left out. One without '=' or pattern is an error (InvalidProperty) when `strict`, else a warning.
std::vector<PlacementRule> parse_rules(const std::string& text, std::span<const Place> places, bool strict);

// The rule that a group follows, or null.
const PlacementRule* rule_of(const graph::Node& group, const std::vector<PlacementRule>& rules);

}  // namespace sardonyx::driver
