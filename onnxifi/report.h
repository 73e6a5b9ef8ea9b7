// The compile report of a program as JSON: an array with one object per group.
#pragma once
#include <span>
#include <string>

#include "runtime/program.h"

namespace sardonyx::onnxifi {

// Names come from the model and may hold any bytes; the result is always valid JSON in UTF-8.
std::string report_json(std::span<const runtime::GroupReport> report);

}  // namespace sardonyx::onnxifi
