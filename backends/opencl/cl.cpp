#include "backends/opencl/cl.h"

namespace sardonyx::opencl {

namespace {

struct ErrorRow {
  cl_int code;
  const char* name;
  Status status;
};
#define ROW(name, status) \
  { name, #name, Status::status }
constexpr ErrorRow error_rows[] = {
    ROW(CL_DEVICE_NOT_FOUND, BackendUnavailable),
    ROW(CL_DEVICE_NOT_AVAILABLE, BackendUnavailable),
    ROW(CL_COMPILER_NOT_AVAILABLE, InternalError),
    ROW(CL_MEM_OBJECT_ALLOCATION_FAILURE, NoDeviceMemory),
    ROW(CL_OUT_OF_RESOURCES, NoDeviceResources),
    ROW(CL_OUT_OF_HOST_MEMORY, NoSystemMemory),
    ROW(CL_PROFILING_INFO_NOT_AVAILABLE, InternalError),
    ROW(CL_BUILD_PROGRAM_FAILURE, InternalError),
    ROW(CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST, InternalError),
    ROW(CL_INVALID_VALUE, InternalError),
    ROW(CL_INVALID_PLATFORM, BackendUnavailable),
    ROW(CL_INVALID_DEVICE, BackendUnavailable),
    ROW(CL_INVALID_CONTEXT, BackendUnavailable),
    ROW(CL_INVALID_COMMAND_QUEUE, BackendUnavailable),
    ROW(CL_INVALID_MEM_OBJECT, InternalError),
    ROW(CL_INVALID_BINARY, InternalError),
    ROW(CL_INVALID_BUILD_OPTIONS, InternalError),
    ROW(CL_INVALID_PROGRAM, InternalError),
    ROW(CL_INVALID_PROGRAM_EXECUTABLE, InternalError),
    ROW(CL_INVALID_KERNEL_NAME, InternalError),
    ROW(CL_INVALID_KERNEL, InternalError),
    ROW(CL_INVALID_ARG_INDEX, InternalError),
    ROW(CL_INVALID_ARG_VALUE, InternalError),
    ROW(CL_INVALID_ARG_SIZE, InternalError),
    ROW(CL_INVALID_KERNEL_ARGS, InternalError),
    ROW(CL_INVALID_WORK_GROUP_SIZE, NoDeviceResources),
    ROW(CL_INVALID_WORK_ITEM_SIZE, NoDeviceResources),
    ROW(CL_INVALID_EVENT, InternalError),
    ROW(CL_INVALID_OPERATION, InternalError),
    ROW(CL_INVALID_BUFFER_SIZE, NoDeviceMemory),
    ROW(CL_INVALID_GLOBAL_WORK_SIZE, InternalError),
    ROW(CL_PLATFORM_NOT_FOUND_KHR, BackendUnavailable),
};
#undef ROW

const ErrorRow* error_row(cl_int code) {
  for (const ErrorRow& row : error_rows)
    if (row.code == code) return &row;
  return nullptr;
}

// OpenCL counts the terminating NUL; some drivers pad with spaces.
std::string trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\0' || text.back() == ' ')) text.pop_back();
  return text.substr(std::min(text.find_first_not_of(' '), text.size()));
}

template <class Query>
std::string text_of(const Query& query, const char* call) {
  size_t size = 0;
  check_call(query(0, nullptr, &size), call);
  std::string text(size, '\0');
  check_call(query(size, text.data(), nullptr), call);
  return trimmed(std::move(text));
}

}  // namespace

std::string error_name(cl_int code) {
  const ErrorRow* row = error_row(code);
  return row != nullptr ? row->name : str("OpenCL error ", code);
}

Status error_status(cl_int code) {
  const ErrorRow* row = error_row(code);
  return row != nullptr ? row->status : Status::InternalError;
}

std::string device_text(cl_device_id device, cl_device_info what) {
  return text_of(
      [&](size_t size, void* value, size_t* actual) { return clGetDeviceInfo(device, what, size, value, actual); },
      "clGetDeviceInfo");
}

std::string platform_text(cl_platform_id platform, cl_platform_info what) {
  return text_of(
      [&](size_t size, void* value, size_t* actual) { return clGetPlatformInfo(platform, what, size, value, actual); },
      "clGetPlatformInfo");
}

}  // namespace sardonyx::opencl
