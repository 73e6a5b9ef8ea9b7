#include "runtime/base/status.h"

namespace sardonyx {

namespace {
struct Name {
  Status status;
  const char* name;
};
constexpr Name names[] = {
    {Status::Success, "SUCCESS"},
    {Status::Fallback, "FALLBACK"},
    {Status::InvalidId, "INVALID_ID"},
    {Status::InvalidSize, "INVALID_SIZE"},
    {Status::InvalidPointer, "INVALID_POINTER"},
    {Status::InvalidProtobuf, "INVALID_PROTOBUF"},
    {Status::InvalidModel, "INVALID_MODEL"},
    {Status::InvalidBackend, "INVALID_BACKEND"},
    {Status::InvalidGraph, "INVALID_GRAPH"},
    {Status::InvalidEvent, "INVALID_EVENT"},
    {Status::InvalidState, "INVALID_STATE"},
    {Status::InvalidName, "INVALID_NAME"},
    {Status::InvalidShape, "INVALID_SHAPE"},
    {Status::InvalidDatatype, "INVALID_DATATYPE"},
    {Status::InvalidMemoryType, "INVALID_MEMORY_TYPE"},
    {Status::InvalidMemoryLocation, "INVALID_MEMORY_LOCATION"},
    {Status::InvalidFenceType, "INVALID_FENCE_TYPE"},
    {Status::InvalidProperty, "INVALID_PROPERTY"},
    {Status::UnsupportedTag, "UNSUPPORTED_TAG"},
    {Status::UnsupportedVersion, "UNSUPPORTED_VERSION"},
    {Status::UnsupportedOperator, "UNSUPPORTED_OPERATOR"},
    {Status::UnsupportedAttribute, "UNSUPPORTED_ATTRIBUTE"},
    {Status::UnsupportedShape, "UNSUPPORTED_SHAPE"},
    {Status::UnsupportedDatatype, "UNSUPPORTED_DATATYPE"},
    {Status::UnsupportedMemoryType, "UNSUPPORTED_MEMORY_TYPE"},
    {Status::UnsupportedFenceType, "UNSUPPORTED_FENCE_TYPE"},
    {Status::UnsupportedProperty, "UNSUPPORTED_PROPERTY"},
    {Status::UnidentifiedName, "UNIDENTIFIED_NAME"},
    {Status::MismatchingShape, "MISMATCHING_SHAPE"},
    {Status::MismatchingDatatype, "MISMATCHING_DATATYPE"},
    {Status::NoSystemMemory, "NO_SYSTEM_MEMORY"},
    {Status::NoDeviceMemory, "NO_DEVICE_MEMORY"},
    {Status::NoSystemResources, "NO_SYSTEM_RESOURCES"},
    {Status::NoDeviceResources, "NO_DEVICE_RESOURCES"},
    {Status::BackendUnavailable, "BACKEND_UNAVAILABLE"},
    {Status::InternalError, "INTERNAL_ERROR"},
};
}  // namespace

const char* status_name(Status status) {
  for (const Name& entry : names)
    if (entry.status == status) return entry.name;
  return "UNKNOWN";
}

Error::Error(Status status, std::string message) : status_(status), text_(std::move(message)) {}

void Error::add_context(const std::string& frame) { text_ += "; " + frame; }

}  // namespace sardonyx
