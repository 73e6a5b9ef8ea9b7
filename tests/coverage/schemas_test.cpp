// Every operator and version that ONNX defines is implemented or stands in the list of those that are not, with the
// reason. Up to operator set 17 the list of what there is comes from libonnx, since then from the table below.
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "compiler/ops/lowering.h"
#include "onnx/defs/schema.h"
#include "tests/coverage/newer.h"

namespace sardonyx {
namespace {

struct Version {
  std::string domain, name;
  int since;
  auto operator<=>(const Version&) const = default;
};

std::string text_of(const Version& version) {
  return (version.domain.empty() ? "ai.onnx" : version.domain) + " " + version.name + "-" +
         std::to_string(version.since);
}

// What is not implemented, and why. A line goes when its reason does.
struct Missing {
  const char* domain;
  const char* names;
  const char* reason;
};
const std::vector<Missing> missing = {};

std::set<Version> defined_by_onnx() {
  std::set<Version> versions;
  for (const onnx::OpSchema& schema : onnx::OpSchemaRegistry::get_all_schemas_with_history())
    if (!schema.Deprecated()) versions.insert({schema.domain(), schema.Name(), schema.SinceVersion()});
  for (const Newer& row : newer) {
    std::istringstream names(row.names);
    for (std::string name; names >> name;) versions.insert({row.domain, name, row.since});
  }
  return versions;
}

std::set<Version> implemented() {
  std::set<Version> versions;
  for (const ops::OnnxOpDef* op : ops::onnx_ops())
    for (const auto& [since, lower] : op->since) versions.insert({op->domain, op->name, since});
  return versions;
}

std::map<std::pair<std::string, std::string>, std::string> reasons() {
  std::map<std::pair<std::string, std::string>, std::string> result;
  for (const Missing& row : missing) {
    std::istringstream names(row.names);
    for (std::string name; names >> name;) result[{row.domain, name}] = row.reason;
  }
  return result;
}

TEST(Coverage, EveryVersionIsImplementedOrHasAReason) {
  const auto have = implemented();
  const auto excused = reasons();
  for (const Version& version : defined_by_onnx())
    if (!have.count(version) && !excused.count({version.domain, version.name}))
      ADD_FAILURE() << text_of(version) << " is neither implemented nor in the list of those that are not";
}

TEST(Coverage, ReasonsAreStillTrue) {
  const auto excused = reasons();
  for (const Version& version : implemented())
    if (const auto found = excused.find({version.domain, version.name}); found != excused.end())
      ADD_FAILURE() << text_of(version) << " is implemented; it is listed because " << found->second;
}

TEST(Coverage, OnlyVersionsOfOnnxAreImplemented) {
  const auto defined = defined_by_onnx();
  std::set<Version> deprecated;
  for (const onnx::OpSchema& schema : onnx::OpSchemaRegistry::get_all_schemas_with_history())
    if (schema.Deprecated()) deprecated.insert({schema.domain(), schema.Name(), schema.SinceVersion()});
  for (const Version& version : implemented())
    if (!defined.count(version) && !deprecated.count(version))
      ADD_FAILURE() << text_of(version) << " is implemented, but ONNX has no such version";
}

}  // namespace
}  // namespace sardonyx
