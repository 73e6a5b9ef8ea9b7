#include "host.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <random>

#include "onnx/onnxifi_x.h"

extern "C" {
#include "model.h"
}

namespace bench {

std::string mlp_model() {
  constexpr int64_t widths[] = {int64_t(features), 128, 128, 64, int64_t(classes)};
  constexpr int float32 = ONNXIFI_DATATYPE_FLOAT32;
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  bytes graph = model_graph();
  const int64_t input[] = {MODEL_N, int64_t(features)}, output[] = {MODEL_N, int64_t(classes)};
  model_input(&graph, "x", float32, 2, input);
  std::string value = "x";
  for (int layer = 0; layer < 4; ++layer) {
    const std::string number = std::to_string(layer), weight = "w" + number, bias = "b" + number;
    const int64_t weight_dims[] = {widths[layer + 1], widths[layer]}, bias_dims[] = {widths[layer + 1]};
    std::vector<float> values(size_t(weight_dims[0] * weight_dims[1]));
    for (float& v : values) v = 0.1F * normal(random);
    model_initializer(&graph, weight.c_str(), float32, 2, weight_dims, values.data(), values.size() * sizeof(float));
    model_initializer(&graph, bias.c_str(), float32, 1, bias_dims, values.data(), size_t(bias_dims[0]) * sizeof(float));
    const std::string gemm = "gemm" + number;
    bytes node = model_make_node("Gemm", (value + "," + weight + "," + bias).c_str(), gemm.c_str());
    model_attribute_int(&node, "transB", 1);
    model_add_node(&graph, node);
    value = layer < 3 ? "relu" + number : "y";
    model_node(&graph, layer < 3 ? "Relu" : "Softmax", gemm.c_str(), value.c_str());
  }
  model_output(&graph, "y", float32, 2, output);
  const bytes model = model_of(graph);
  std::string result(reinterpret_cast<const char*>(model.data), model.size);
  model_free_all();
  return result;
}

void check(onnxStatus status, const char* call) {
  if (status == ONNXIFI_STATUS_SUCCESS) return;
  std::fprintf(stderr, "%s: status 0x%04x\n", call, unsigned(status));
  std::exit(1);
}

onnxBackend make_backend(uint64_t threads) {
  onnxBackendID ids[16];
  size_t count = 16;
  check(onnxGetBackendIDs(ids, &count), "onnxGetBackendIDs");
  const uint64_t properties[] = {ONNXX_BACKEND_PROPERTY_NUM_THREADS, threads, 0};
  onnxBackend backend = nullptr;
  check(onnxInitBackend(ids[0], properties, &backend), "onnxInitBackend");
  return backend;
}

Mlp::Mlp(onnxBackend backend) : x_(features, 0.5F), y_(classes) {
  const std::string model = mlp_model();
  check(onnxInitGraph(backend, nullptr, model.size(), model.data(), 0, nullptr, &graph_), "onnxInitGraph");
  const auto describe = [](const char* name, const uint64_t* shape, const std::vector<float>& data) {
    return onnxTensorDescriptorV1{ONNXIFI_TAG_TENSOR_DESCRIPTOR_V1,
                                  name,
                                  ONNXIFI_DATATYPE_FLOAT32,
                                  ONNXIFI_MEMORY_TYPE_CPU,
                                  2,
                                  shape,
                                  onnxPointer(reinterpret_cast<uintptr_t>(data.data()))};
  };
  input_ = describe("x", input_shape_, x_);
  output_ = describe("y", output_shape_, y_);
  check(onnxSetGraphIO(graph_, 1, &input_, 1, &output_), "onnxSetGraphIO");
}

Mlp::~Mlp() { check(onnxReleaseGraph(graph_), "onnxReleaseGraph"); }

onnxEvent Mlp::submit(onnxEvent ready) {
  onnxMemoryFenceV1 input = {ONNXIFI_TAG_MEMORY_FENCE_V1, ONNXIFI_SYNCHRONIZATION_EVENT, {ready}};
  onnxMemoryFenceV1 output = {ONNXIFI_TAG_MEMORY_FENCE_V1, ONNXIFI_SYNCHRONIZATION_EVENT, {nullptr}};
  check(onnxRunGraph(graph_, &input, &output), "onnxRunGraph");
  return output.event;
}

onnxEvent Mlp::submit_bound() {
  onnxMemoryFenceV1 output = {ONNXIFI_TAG_MEMORY_FENCE_V1, ONNXIFI_SYNCHRONIZATION_EVENT, {nullptr}};
  check(onnxSetIOAndRunGraph(graph_, 1, &input_, 1, &output_, &output), "onnxSetIOAndRunGraph");
  return output.event;
}

void Mlp::poll(onnxEvent event) {
  onnxEventState state = ONNXIFI_EVENT_STATE_NONSIGNALLED;
  while (state != ONNXIFI_EVENT_STATE_SIGNALLED) check(onnxGetEventState(event, &state), "onnxGetEventState");
}

double resident_bytes() {
  std::ifstream file("/proc/self/statm");
  double total = 0, resident = 0;
  file >> total >> resident;
  return resident * double(sysconf(_SC_PAGESIZE));
}

double processor_seconds() {
  timespec time = {};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return double(time.tv_sec) + double(time.tv_nsec) * 1e-9;
}

}  // namespace bench
