/* OpenCL backends: what they report, a host's own context, and graphs over a host's own buffers without copies. */
#include <CL/cl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "abi.h"
#include "model.h"

#define S(name) ONNXIFI_STATUS_##name
enum { FLOAT = 1, ROWS = 6, COUNT = ROWS * 4, MOST_IDS = 32 };

static const uint64_t shape[] = {ROWS, 4};
static const int64_t declared[] = {MODEL_N, 4};

struct opencl {
  onnxBackendID id;
  cl_device_id device;
  cl_context context;
  cl_command_queue queue;
};

/* The value of an information that fits, 0 when there is none. */
static uint64_t info_of(onnxBackendID id, onnxBackendInfo type) {
  uint64_t value = 0;
  size_t size = sizeof value;
  return onnx.GetBackendInfo(id, type, &value, &size) == S(SUCCESS) ? value : 0;
}

static cl_context make_context(onnxBackendID id, cl_device_id device) {
  cl_context_properties properties[] = {CL_CONTEXT_PLATFORM,
                                        (cl_context_properties)info_of(id, ONNXIFI_BACKEND_OPENCL_PLATFORM_ID), 0};
  cl_int code = CL_SUCCESS;
  cl_context context = clCreateContext(properties, 1, &device, NULL, NULL, &code);
  EXPECT_TRUE(code == CL_SUCCESS);
  return context;
}

static cl_mem make_buffer(struct opencl* cl, const float* values, size_t size) {
  cl_int code = CL_SUCCESS;
  const cl_mem_flags flags = CL_MEM_READ_WRITE | (values != NULL ? CL_MEM_COPY_HOST_PTR : 0);
  cl_mem buffer = clCreateBuffer(cl->context, flags, size, (void*)(uintptr_t)values, &code);
  EXPECT_TRUE(code == CL_SUCCESS);
  return buffer;
}

static onnxTensorDescriptorV1 device_tensor(const char* name, cl_mem buffer) {
  onnxTensorDescriptorV1 tensor = abi_tensor(name, FLOAT, 2, shape, buffer);
  tensor.memoryType = ONNXIFI_MEMORY_TYPE_OPENCL_BUFFER;
  return tensor;
}

/* Whether the host alone holds the buffer, at the latest soon: a queue lets go of what it used right after the event.
 */
static int only_ours(cl_mem buffer) {
  cl_uint count = 0;
  for (int i = 0; i < 400 && count != 1; ++i) {
    if (i > 0) abi_sleep_ms(5);
    clGetMemObjectInfo(buffer, CL_MEM_REFERENCE_COUNT, sizeof count, &count, NULL);
  }
  return count == 1;
}

/* Whether the file has the text; files of traces are small. */
static int mentions(const char* path, const char* text) {
  static char content[1 << 16];
  FILE* file = fopen(path, "rb");
  size_t size = 0;
  if (file == NULL) return 0;
  size = fread(content, 1, sizeof content - 1, file);
  fclose(file);
  content[size] = 0;
  return strstr(content, text) != NULL;
}

static onnxBackend open_traced(struct opencl* cl, const char* trace) {
  const uint64_t properties[] = {ONNXIFI_BACKEND_OPENCL_CONTEXT,
                                 (uint64_t)(uintptr_t)cl->context,
                                 ONNXX_BACKEND_PROPERTY_TRACE_FILE,
                                 (uint64_t)(uintptr_t)trace,
                                 ONNXX_BACKEND_PROPERTY_STRICT,
                                 1,
                                 0};
  onnxBackend backend = NULL;
  REQUIRE_OK(onnx.InitBackend(cl->id, properties, &backend));
  return backend;
}

static onnxGraph make_graph(onnxBackend backend) {
  bytes model = model_scale(2, declared);
  onnxGraph graph = NULL;
  REQUIRE_OK(onnx.InitGraph(backend, NULL, model.size, model.data, 0, NULL, &graph));
  return graph;
}

static void run(onnxBackend backend, onnxGraph graph, const onnxTensorDescriptorV1* x,
                const onnxTensorDescriptorV1* y) {
  onnxMemoryFenceV1 input, output = abi_fence(NULL);
  onnxEvent ready = NULL;
  REQUIRE_OK(onnx.InitEvent(backend, &ready));
  input = abi_fence(ready);
  EXPECT_OK(onnx.SignalEvent(ready));
  EXPECT_OK(onnx.SetGraphIO(graph, 1, x, 1, y));
  EXPECT_OK(onnx.RunGraph(graph, &input, &output));
  EXPECT_OK(abi_complete(&output));
  EXPECT_OK(onnx.ReleaseEvent(ready));
}

static void expect_scaled(const float* x, const float* y) {
  for (int i = 0; i < COUNT; ++i) EXPECT_TRUE(y[i] == x[i] * 2 + 1);
}

static void reports(struct opencl* cl, onnxBackendID cpu) {
  EXPECT_TRUE(info_of(cl->id, ONNXIFI_BACKEND_MEMORY_TYPES) == ONNXIFI_MEMORY_TYPE_OPENCL_BUFFER);
  EXPECT_TRUE(info_of(cl->id, ONNXIFI_BACKEND_MEMORY_SIZE) > 0);
  EXPECT_TRUE(info_of(cl->id, ONNXIFI_BACKEND_MACS_FP32) > 0);
  EXPECT_TRUE(info_of(cl->id, ONNXIFI_BACKEND_MEMORY_BANDWIDTH) > 0);
  uint64_t value;
  size_t size = sizeof value;
  EXPECT(S(UNSUPPORTED_ATTRIBUTE), onnx.GetBackendInfo(cpu, ONNXIFI_BACKEND_OPENCL_DEVICE_ID, &value, &size));
}

/* Figures are measured once, whoever asks; a backend of all devices is initialised with them and runs. */
static void figures(struct opencl* cl, onnxBackendID together) {
  const onnxBackendID ids[] = {cl->id, together};
  static const onnxBackendInfo numbers[] = {ONNXIFI_BACKEND_MACS_FP32,
                                            ONNXIFI_BACKEND_MEMORY_BANDWIDTH,
                                            ONNXIFI_BACKEND_CPU_MEMORY_READ_BANDWIDTH,
                                            ONNXIFI_BACKEND_CPU_MEMORY_WRITE_BANDWIDTH,
                                            ONNXX_BACKEND_LAUNCH_NANOSECONDS,
                                            ONNXX_BACKEND_TRANSFER_NANOSECONDS};
  float x[COUNT], y[COUNT] = {0};
  onnxBackend backend = NULL;
  for (int i = 0; i < COUNT; ++i) x[i] = (float)i;
  for (int i = 0; i < 2; ++i) {
    char text[16];
    size_t size = sizeof text;
    EXPECT_OK(onnx.GetBackendInfo(ids[i], ONNXX_BACKEND_FIGURES, text, &size));
    EXPECT_TRUE(strcmp(text, "measured") == 0);
    for (size_t k = 0; k < sizeof numbers / sizeof *numbers; ++k) {
      EXPECT_TRUE(info_of(ids[i], numbers[k]) > 0);
      EXPECT_TRUE(info_of(ids[i], numbers[k]) == info_of(ids[i], numbers[k]));
    }
  }
  REQUIRE_OK(onnx.InitBackend(together, NULL, &backend));
  onnxGraph graph = make_graph(backend);
  const onnxTensorDescriptorV1 in = abi_tensor("x", FLOAT, 2, shape, x);
  const onnxTensorDescriptorV1 out = abi_tensor("y", FLOAT, 2, shape, y);
  run(backend, graph, &in, &out);
  expect_scaled(x, y);
  EXPECT_OK(onnx.ReleaseGraph(graph));
  EXPECT_OK(onnx.ReleaseBackend(backend));
}

static void contexts(struct opencl* cl, onnxBackendID cpu) {
  onnxBackend backend = NULL;
  const uint64_t null_context[] = {ONNXIFI_BACKEND_OPENCL_CONTEXT, 0, 0};
  const uint64_t context[] = {ONNXIFI_BACKEND_OPENCL_CONTEXT, (uint64_t)(uintptr_t)cl->context, 0};
  EXPECT(S(INVALID_PROPERTY), onnx.InitBackend(cl->id, null_context, &backend));
  EXPECT(S(UNSUPPORTED_PROPERTY), onnx.InitBackend(cpu, context, &backend));
}

/* The host's buffers in place: nothing crosses between host and device memory. */
static void buffers_in_place(struct opencl* cl, const char* trace) {
  float x[COUNT], y[COUNT];
  for (int i = 0; i < COUNT; ++i) x[i] = (float)(i - 7);
  onnxBackend backend = open_traced(cl, trace);
  onnxGraph graph = make_graph(backend);
  cl_mem in = make_buffer(cl, x, sizeof x), out = make_buffer(cl, NULL, sizeof y);
  onnxTensorDescriptorV1 tx = device_tensor("x", in), ty = device_tensor("y", out);
  run(backend, graph, &tx, &ty);
  EXPECT_TRUE(clEnqueueReadBuffer(cl->queue, out, CL_TRUE, 0, sizeof y, y, 0, NULL, NULL) == CL_SUCCESS);
  expect_scaled(x, y);
  EXPECT_OK(onnx.ReleaseGraph(graph));
  EXPECT_OK(onnx.ReleaseBackend(backend));
  EXPECT_TRUE(only_ours(in) && only_ours(out));
  clReleaseMemObject(in);
  clReleaseMemObject(out);
  EXPECT_TRUE(mentions(trace, "step"));
  EXPECT_TRUE(!mentions(trace, "upload") && !mentions(trace, "download"));
}

/* Host memory on one side or both: the copies are there, and the trace tells of them. */
static void buffers_of_the_host(struct opencl* cl, const char* trace) {
  float x[COUNT], y[COUNT];
  for (int i = 0; i < COUNT; ++i) x[i] = (float)(3 * i);
  onnxBackend backend = open_traced(cl, trace);
  onnxGraph graph = make_graph(backend);
  onnxTensorDescriptorV1 tx = abi_tensor("x", FLOAT, 2, shape, x), ty = abi_tensor("y", FLOAT, 2, shape, y);
  run(backend, graph, &tx, &ty);
  expect_scaled(x, y);
  cl_mem in = make_buffer(cl, x, sizeof x);
  onnxTensorDescriptorV1 dx = device_tensor("x", in);
  memset(y, 0, sizeof y);
  run(backend, graph, &dx, &ty);
  expect_scaled(x, y);
  EXPECT_OK(onnx.ReleaseGraph(graph));
  EXPECT_OK(onnx.ReleaseBackend(backend));
  clReleaseMemObject(in);
  EXPECT_TRUE(mentions(trace, "upload") && mentions(trace, "download"));
}

static void refused_buffers(struct opencl* cl) {
  float y[COUNT];
  onnxBackend backend = NULL;
  const uint64_t properties[] = {ONNXIFI_BACKEND_OPENCL_CONTEXT, (uint64_t)(uintptr_t)cl->context, 0};
  REQUIRE_OK(onnx.InitBackend(cl->id, properties, &backend));
  onnxGraph graph = make_graph(backend);
  onnxTensorDescriptorV1 ty = abi_tensor("y", FLOAT, 2, shape, y);

  cl_mem small = make_buffer(cl, NULL, sizeof(float) * (COUNT - 1));
  onnxTensorDescriptorV1 tx = device_tensor("x", small);
  EXPECT(S(INVALID_MEMORY_LOCATION), onnx.SetGraphIO(graph, 1, &tx, 1, &ty));
  EXPECT_TRUE(only_ours(small));
  clReleaseMemObject(small);

  struct opencl other = *cl;
  other.context = make_context(cl->id, cl->device);
  cl_mem foreign = make_buffer(&other, NULL, sizeof y);
  tx = device_tensor("x", foreign);
  EXPECT(S(INVALID_MEMORY_LOCATION), onnx.SetGraphIO(graph, 1, &tx, 1, &ty));
  clReleaseMemObject(foreign);
  clReleaseContext(other.context);

  tx = device_tensor("x", NULL);
  EXPECT(S(INVALID_MEMORY_LOCATION), onnx.SetGraphIO(graph, 1, &tx, 1, &ty));
  EXPECT_OK(onnx.ReleaseGraph(graph));
  EXPECT_OK(onnx.ReleaseBackend(backend));
}

int main(int argc, char** argv) {
  abi_load(argc, argv);
  onnxBackendID ids[MOST_IDS], cpu = NULL;
  size_t count = MOST_IDS;
  struct opencl cl = {NULL, NULL, NULL, NULL};
  onnxBackendID together = NULL;
  REQUIRE_OK(onnx.GetBackendIDs(ids, &count));
  for (size_t i = 0; i < count; ++i) {
    const uint64_t device = info_of(ids[i], ONNXIFI_BACKEND_OPENCL_DEVICE_ID);
    const uint64_t type = info_of(ids[i], ONNXIFI_BACKEND_DEVICE_TYPE);
    if (type == ONNXIFI_DEVICE_TYPE_HETEROGENEOUS) together = ids[i];
    if (device == 0 && type == ONNXIFI_DEVICE_TYPE_CPU) cpu = ids[i];
    if (device == 0 || cl.id != NULL) continue;
    cl.id = ids[i];
    cl.device = (cl_device_id)(uintptr_t)device;
  }
  EXPECT_TRUE(cpu != NULL);
  if (cl.id == NULL) return abi_skip("there is no OpenCL device");
  EXPECT_TRUE(together != NULL && together == ids[count - 1]);
  EXPECT_TRUE(ids[0] == cpu || info_of(cl.id, ONNXIFI_BACKEND_DEVICE_TYPE) != ONNXIFI_DEVICE_TYPE_CPU);
  cl.context = make_context(cl.id, cl.device);
  cl.queue = clCreateCommandQueue(cl.context, cl.device, 0, NULL);
  char trace[] = "opencl_test_trace_XXXXXX";
  const int file = mkstemp(trace);
  EXPECT_TRUE(file >= 0);

  reports(&cl, cpu);
  figures(&cl, together);
  contexts(&cl, cpu);
  buffers_in_place(&cl, trace);
  buffers_of_the_host(&cl, trace);
  refused_buffers(&cl);

  close(file);
  remove(trace);
  clReleaseCommandQueue(cl.queue);
  clReleaseContext(cl.context);
  model_free_all();
  return abi_finish();
}
