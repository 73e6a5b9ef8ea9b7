/* An OpenCL layer that makes calls fail, for tests of what happens then. The variable OPENCL_FAULT says what fails, as
 * "call code skip": after `skip` more calls, `call` answers `code` until the variable changes. With "event" as the
 * call, commands are enqueued and their events tell of the failure. */
#define CL_TARGET_OPENCL_VERSION 300
#include <CL/cl_layer.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

static const cl_icd_dispatch* target;
static struct _cl_icd_dispatch layer;

/* The code that `call` answers now; 0: nothing is wrong. Tests change the variable between calls of one thread. */
static cl_int fault(const char* call) {
  static char current[80];
  static int left;
  char name[64];
  int code, skip;
  const char* wanted = getenv("OPENCL_FAULT");
  if (wanted == NULL || sscanf(wanted, "%63s %d %d", name, &code, &skip) != 3) return 0;
  if (strcmp(current, wanted) != 0) {
    snprintf(current, sizeof current, "%s", wanted);
    left = skip;
  }
  if (strcmp(name, call) != 0) return 0;
  return left-- > 0 ? 0 : code;
}

static cl_mem CL_API_CALL create_buffer(cl_context context, cl_mem_flags flags, size_t size, void* host,
                                        cl_int* error) {
  cl_int code = fault("clCreateBuffer");
  if (code == 0) return target->clCreateBuffer(context, flags, size, host, error);
  if (error != NULL) *error = code;
  return NULL;
}

static cl_command_queue CL_API_CALL create_queue(cl_context context, cl_device_id device,
                                                 cl_command_queue_properties properties, cl_int* error) {
  cl_int code = fault("clCreateCommandQueue");
  if (code == 0) return target->clCreateCommandQueue(context, device, properties, error);
  if (error != NULL) *error = code;
  return NULL;
}

static cl_int CL_API_CALL build_program(cl_program program, cl_uint count, const cl_device_id* devices,
                                        const char* options,
                                        void(CL_CALLBACK* notify)(cl_program program, void* user_data), void* data) {
  cl_int code = fault("clBuildProgram");
  return code != 0 ? code : target->clBuildProgram(program, count, devices, options, notify, data);
}

static cl_int CL_API_CALL enqueue_kernel(cl_command_queue queue, cl_kernel kernel, cl_uint dims, const size_t* offset,
                                         const size_t* global, const size_t* local, cl_uint count,
                                         const cl_event* waits, cl_event* event) {
  cl_int code = fault("clEnqueueNDRangeKernel");
  return code != 0 ? code
                   : target->clEnqueueNDRangeKernel(queue, kernel, dims, offset, global, local, count, waits, event);
}

static cl_int CL_API_CALL set_callback(cl_event event, cl_int type,
                                       void(CL_CALLBACK* notify)(cl_event event, cl_int status, void* user_data),
                                       void* data) {
  cl_int code = fault("clSetEventCallback");
  return code != 0 ? code : target->clSetEventCallback(event, type, notify, data);
}

static cl_int CL_API_CALL flush(cl_command_queue queue) {
  cl_int code = fault("clFlush");
  return code != 0 ? code : target->clFlush(queue);
}

static cl_int CL_API_CALL event_info(cl_event event, cl_event_info name, size_t size, void* value, size_t* size_ret) {
  cl_int code = name == CL_EVENT_COMMAND_EXECUTION_STATUS ? fault("event") : 0;
  if (code == 0) return target->clGetEventInfo(event, name, size, value, size_ret);
  memcpy(value, &code, sizeof code);
  return CL_SUCCESS;
}

EXPORT cl_int CL_API_CALL clGetLayerInfo(cl_layer_info name, size_t size, void* value, size_t* size_ret) {
  const cl_layer_api_version version = CL_LAYER_API_VERSION_100;
  if (name != CL_LAYER_API_VERSION) return CL_INVALID_VALUE;
  if (value != NULL && size >= sizeof version) memcpy(value, &version, sizeof version);
  if (size_ret != NULL) *size_ret = sizeof version;
  return CL_SUCCESS;
}

EXPORT cl_int CL_API_CALL clInitLayer(cl_uint count, const cl_icd_dispatch* below, cl_uint* count_ret,
                                      const cl_icd_dispatch** layer_ret) {
  if (count < sizeof layer / sizeof(void*)) return CL_INVALID_VALUE;
  target = below;
  layer = *below;
  layer.clCreateBuffer = create_buffer;
  layer.clCreateCommandQueue = create_queue;
  layer.clBuildProgram = build_program;
  layer.clEnqueueNDRangeKernel = enqueue_kernel;
  layer.clSetEventCallback = set_callback;
  layer.clFlush = flush;
  layer.clGetEventInfo = event_info;
  *count_ret = sizeof layer / sizeof(void*);
  *layer_ret = &layer;
  return CL_SUCCESS;
}
