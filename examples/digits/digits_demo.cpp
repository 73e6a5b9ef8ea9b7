// Reads handwritten digits on every device of an ONNXIFI library.
//
//   digits_demo [--library FILE] [--data FOLDER] [--pictures N]
//
// FOLDER holds model.onnx and images.bin: records of 65 bytes, 8x8 pixels from 0 to 16 row by row, then the digit that
// the writer meant. The library is opened with dlopen, as a host that must start without it would do.
#include <dlfcn.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

#include "onnx/onnxifi.h"

namespace {

using Clock = std::chrono::steady_clock;
constexpr size_t side = 8, pixels = side * side, record = pixels + 1, classes = 10;

struct Api {
  explicit Api(const std::string& path) {
    void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) throw std::runtime_error(dlerror());
    const auto find = [&](auto& function, const char* name) {
      function = reinterpret_cast<std::decay_t<decltype(function)>>(dlsym(library, name));
      if (function == nullptr) throw std::runtime_error(path + " has no function " + name);
    };
    find(get_ids, "onnxGetBackendIDs");
    find(release_id, "onnxReleaseBackendID");
    find(get_info, "onnxGetBackendInfo");
    find(init_backend, "onnxInitBackend");
    find(release_backend, "onnxReleaseBackend");
    find(init_event, "onnxInitEvent");
    find(signal_event, "onnxSignalEvent");
    find(wait_event, "onnxWaitEvent");
    find(release_event, "onnxReleaseEvent");
    find(init_graph, "onnxInitGraph");
    find(set_io, "onnxSetGraphIO");
    find(run_graph, "onnxRunGraph");
    find(release_graph, "onnxReleaseGraph");
  }

  decltype(&::onnxGetBackendIDs) get_ids;
  decltype(&::onnxReleaseBackendID) release_id;
  decltype(&::onnxGetBackendInfo) get_info;
  decltype(&::onnxInitBackend) init_backend;
  decltype(&::onnxReleaseBackend) release_backend;
  decltype(&::onnxInitEvent) init_event;
  decltype(&::onnxSignalEvent) signal_event;
  decltype(&::onnxWaitEvent) wait_event;
  decltype(&::onnxReleaseEvent) release_event;
  decltype(&::onnxInitGraph) init_graph;
  decltype(&::onnxSetGraphIO) set_io;
  decltype(&::onnxRunGraph) run_graph;
  decltype(&::onnxReleaseGraph) release_graph;
};

void check(onnxStatus status, const char* what) {
  if (status == ONNXIFI_STATUS_SUCCESS) return;
  char text[128];
  std::snprintf(text, sizeof text, "%s: status 0x%04x", what, unsigned(status));
  throw std::runtime_error(text);
}

std::vector<char> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

struct Digits {
  explicit Digits(const std::string& path) {
    const auto bytes = read_file(path);
    if (bytes.empty() || bytes.size() % record != 0) throw std::runtime_error(path + " is no file of digits");
    for (size_t at = 0; at < bytes.size(); at += record) {
      for (size_t i = 0; i < pixels; ++i) images.push_back(float(bytes[at + i]) / 16);
      labels.push_back(bytes[at + pixels]);
    }
  }
  size_t count() const { return labels.size(); }
  std::vector<float> images;
  std::vector<int> labels;
};

std::string device_text(const Api& api, onnxBackendID id, onnxBackendInfo item) {
  char text[512] = "";
  size_t size = sizeof text;
  const onnxStatus status = api.get_info(id, item, text, &size);
  return status == ONNXIFI_STATUS_SUCCESS ? std::string(text, strnlen(text, sizeof text)) : "?";
}

// The model, compiled for one device. The batch may change from call to call: the model leaves it open.
class Classifier {
 public:
  Classifier(const Api& api, onnxBackendID id, const std::vector<char>& model) : api_(api) {
    check(api_.init_backend(id, nullptr, &backend_), "onnxInitBackend");
    const auto start = Clock::now();
    check(api_.init_graph(backend_, nullptr, model.size(), model.data(), 0, nullptr, &graph_), "onnxInitGraph");
    compile_seconds = std::chrono::duration<double>(Clock::now() - start).count();
    check(api_.init_event(backend_, &ready_), "onnxInitEvent");
    check(api_.signal_event(ready_), "onnxSignalEvent");
  }
  ~Classifier() {
    api_.release_graph(graph_);
    api_.release_event(ready_);
    api_.release_backend(backend_);
  }
  Classifier(const Classifier&) = delete;
  Classifier& operator=(const Classifier&) = delete;

  void bind(const float* images, float* probabilities, size_t batch) {
    const uint64_t image_shape[] = {batch, 1, side, side}, probability_shape[] = {batch, classes};
    const auto describe = [](const char* name, uint32_t rank, const uint64_t* shape, const float* data) {
      return onnxTensorDescriptorV1{ONNXIFI_TAG_TENSOR_DESCRIPTOR_V1,
                                    name,
                                    ONNXIFI_DATATYPE_FLOAT32,
                                    ONNXIFI_MEMORY_TYPE_CPU,
                                    rank,
                                    shape,
                                    onnxPointer(reinterpret_cast<uintptr_t>(data))};
    };
    const auto input = describe("image", 4, image_shape, images);
    const auto output = describe("probability", 2, probability_shape, probabilities);
    check(api_.set_io(graph_, 1, &input, 1, &output), "onnxSetGraphIO");
  }

  void run() {
    onnxMemoryFenceV1 input = {ONNXIFI_TAG_MEMORY_FENCE_V1, ONNXIFI_SYNCHRONIZATION_EVENT, {ready_}};
    onnxMemoryFenceV1 output = {ONNXIFI_TAG_MEMORY_FENCE_V1, ONNXIFI_SYNCHRONIZATION_EVENT, {nullptr}};
    check(api_.run_graph(graph_, &input, &output), "onnxRunGraph");
    check(api_.wait_event(output.event), "onnxWaitEvent");
    check(api_.release_event(output.event), "onnxReleaseEvent");
  }

  // Median seconds of a run with what is bound.
  double measure(int runs) {
    std::vector<double> times;
    for (int i = 0; i < runs; ++i) {
      const auto start = Clock::now();
      run();
      times.push_back(std::chrono::duration<double>(Clock::now() - start).count());
    }
    std::nth_element(times.begin(), times.begin() + runs / 2, times.end());
    return times[size_t(runs / 2)];
  }

  double compile_seconds = 0;

 private:
  const Api& api_;
  onnxBackend backend_ = nullptr;
  onnxGraph graph_ = nullptr;
  onnxEvent ready_ = nullptr;
};

int answer_of(const std::vector<float>& probabilities, size_t image) {
  const auto row = probabilities.begin() + ptrdiff_t(image * classes);
  return int(std::max_element(row, row + classes) - row);
}

// Pictures side by side, two characters a pixel, with the answer below; mistakes come last.
void draw(const Digits& digits, const std::vector<float>& probabilities, size_t wanted) {
  constexpr size_t per_row = 5;
  constexpr const char* shades[] = {"  ", "..", "::", "==", "**", "##", "@@"};
  std::vector<size_t> order, mistakes;
  for (size_t i = 0; i < digits.count(); ++i) {
    if (answer_of(probabilities, i) != digits.labels[i] && mistakes.size() < wanted) mistakes.push_back(i);
  }
  // The right ones are spread over the whole set.
  const size_t spread = wanted - mistakes.size();
  for (size_t i = 0; i < spread; ++i) {
    const size_t image = i * digits.count() / spread + 1;
    if (image < digits.count() && answer_of(probabilities, image) == digits.labels[image]) order.push_back(image);
  }
  order.insert(order.end(), mistakes.begin(), mistakes.end());
  for (size_t first = 0; first < order.size(); first += per_row) {
    const size_t last = std::min(first + per_row, order.size());
    for (size_t y = 0; y < side; ++y) {
      for (size_t i = first; i < last; ++i) {
        for (size_t x = 0; x < side; ++x) {
          const float pixel = digits.images[order[i] * pixels + y * side + x];
          std::fputs(shades[size_t(pixel * 6 + 0.5F)], stdout);
        }
        std::fputs(" | ", stdout);
      }
      std::fputs("\n", stdout);
    }
    for (size_t i = first; i < last; ++i) {
      const int answer = answer_of(probabilities, order[i]), label = digits.labels[order[i]];
      char text[64];
      if (answer == label) {
        std::snprintf(text, sizeof text, "%d (%.0f %%)", answer,
                      100 * probabilities[order[i] * classes + size_t(answer)]);
      } else {
        std::snprintf(text, sizeof text, "%d, but it is %d", answer, label);
      }
      std::printf("%-16s | ", text);
    }
    std::fputs("\n\n", stdout);
  }
}

// Prints the device's line of results; returns the share of right answers.
double demonstrate(const Api& api, onnxBackendID id, const std::vector<char>& model, const Digits& digits,
                   size_t pictures) {
  Classifier classifier(api, id, model);
  std::vector<float> probabilities(digits.count() * classes);
  classifier.bind(digits.images.data(), probabilities.data(), digits.count());
  classifier.run();
  size_t right = 0;
  for (size_t i = 0; i < digits.count(); ++i) right += answer_of(probabilities, i) == digits.labels[i] ? 1 : 0;
  const double accuracy = double(right) / double(digits.count());
  if (pictures > 0) draw(digits, probabilities, pictures);
  const double batch = classifier.measure(50);
  classifier.bind(digits.images.data(), probabilities.data(), 1);
  const double single = classifier.measure(1000);
  std::printf("  compiled in %.0f ms; %zu of %zu held-out images right (%.1f %%)\n", classifier.compile_seconds * 1e3,
              right, digits.count(), 100 * accuracy);
  std::printf("  one image in %.1f us; all together in %.2f ms, %.0f images per second\n\n", single * 1e6, batch * 1e3,
              double(digits.count()) / batch);
  return accuracy;
}

}  // namespace

int main(int argc, char** argv) try {
  std::string library = "libonnxifi.so", data = DIGITS_DATA;
  size_t pictures = 10;
  for (int i = 1; i < argc; i += 2) {
    const std::string option = argv[i];
    if (i + 1 >= argc || (option != "--library" && option != "--data" && option != "--pictures")) {
      std::fprintf(stderr, "usage: %s [--library FILE] [--data FOLDER] [--pictures N]\n", argv[0]);
      return 2;
    }
    if (option == "--library") library = argv[i + 1];
    if (option == "--data") data = argv[i + 1];
    if (option == "--pictures") pictures = std::strtoul(argv[i + 1], nullptr, 10);
  }
  const Api api(library);
  const Digits digits(data + "/images.bin");
  const auto model = read_file(data + "/model.onnx");

  size_t count = 0;
  if (api.get_ids(nullptr, &count) != ONNXIFI_STATUS_FALLBACK || count == 0) {
    throw std::runtime_error("the library has no backend");
  }
  std::vector<onnxBackendID> ids(count);
  check(api.get_ids(ids.data(), &count), "onnxGetBackendIDs");
  double worst = 1;
  for (const onnxBackendID id : ids) {
    std::printf("%s %s on %s\n\n", device_text(api, id, ONNXIFI_BACKEND_VENDOR).c_str(),
                device_text(api, id, ONNXIFI_BACKEND_NAME).c_str(),
                device_text(api, id, ONNXIFI_BACKEND_DEVICE).c_str());
    worst = std::min(worst, demonstrate(api, id, model, digits, pictures));
    pictures = 0;
    api.release_id(id);
  }
  // The net was right on 99.4 % when it was trained: a device that does worse computes something else.
  return worst >= 0.99 ? 0 : 1;
} catch (const std::exception& error) {
  std::fprintf(stderr, "digits_demo: %s\n", error.what());
  return 3;
}
