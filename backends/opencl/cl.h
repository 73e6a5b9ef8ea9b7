// The OpenCL API as this folder uses it: version 1.2, with owners for its objects and errors as exceptions.
#pragma once
#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>
#include <CL/cl_ext.h>

#include <string>
#include <utility>

#include "runtime/base/status.h"

namespace sardonyx::opencl {

// "CL_OUT_OF_RESOURCES"; "OpenCL error -9999" for codes of vendors.
std::string error_name(cl_int code);

// What a failed call means for the run or graph that made it. Memory that could not be had is NoDeviceMemory,
// BackendUnavailable a device that went away (nothing will work any more), InternalError what has no better name.
Status error_status(cl_int code);

// Throws Error(error_status(code)) with the call's name unless it succeeded.
inline void check_call(cl_int code, const char* call) {
  if (code != CL_SUCCESS) fail(error_status(code), call, " failed: ", error_name(code));
}

// One reference to an OpenCL object.
template <class T, cl_int(CL_API_CALL* retain_call)(T), cl_int(CL_API_CALL* release_call)(T)>
class Owner {
 public:
  Owner() = default;
  // Takes over the reference that a clCreate function returned.
  explicit Owner(T object) : object_(object) {}
  Owner(Owner&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  Owner& operator=(Owner&& other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~Owner() {
    if (object_ != nullptr) release_call(object_);
  }

  // A reference of its own to an object of somebody else's.
  static Owner share(T object) {
    check_call(retain_call(object), "retaining an OpenCL object");
    return Owner(object);
  }

  T get() const { return object_; }
  explicit operator bool() const { return object_ != nullptr; }
  // For results through pointers; holds nothing before.
  T* out() { return &object_; }

 private:
  T object_ = nullptr;
};
using ContextOwner = Owner<cl_context, clRetainContext, clReleaseContext>;
using QueueOwner = Owner<cl_command_queue, clRetainCommandQueue, clReleaseCommandQueue>;
using MemoryOwner = Owner<cl_mem, clRetainMemObject, clReleaseMemObject>;
using ProgramOwner = Owner<cl_program, clRetainProgram, clReleaseProgram>;
using KernelOwner = Owner<cl_kernel, clRetainKernel, clReleaseKernel>;
using EventOwner = Owner<cl_event, clRetainEvent, clReleaseEvent>;

// Answers of clGet...Info. Throw Error when the call fails.
template <class T>
T device_info(cl_device_id device, cl_device_info what) {
  T value{};
  check_call(clGetDeviceInfo(device, what, sizeof value, &value, nullptr), "clGetDeviceInfo");
  return value;
}
std::string device_text(cl_device_id device, cl_device_info what);
std::string platform_text(cl_platform_id platform, cl_platform_info what);

}  // namespace sardonyx::opencl
