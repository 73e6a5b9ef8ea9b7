#include "backends/plugin/backend.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <sstream>

#include "backends/plugin/call.h"
#include "backends/plugin/device.h"
#include "backends/plugin/group.h"

namespace sardonyx::plugin {

using backends::Candidate;
using backends::Candidates;
using backends::Chosen;
using backends::CompiledGroup;
using backends::DeviceInfo;
using backends::DeviceType;
using backends::Target;
using graph::Layout;
using graph::Node;
using graph::Op;

namespace {

// Callbacks that a plug-in calls run our code below the plug-in's frames, so what they throw waits here.
template <class F>
void guarded(std::string& failure, F&& f) noexcept {
  try {
    f();
  } catch (const std::exception& error) {
    failure = error.what();
  }
}

sardonyxSettings c_settings(const Settings& settings) {
  return {int32_t(settings.num_threads), int32_t(settings.optimization)};
}

// "rows=4 columns=2"
backends::Point parse_point(const std::string& text) {
  backends::Point point;
  std::istringstream knobs(text);
  for (std::string knob; knobs >> knob;) {
    const size_t equals = knob.find('=');
    int64_t value = 0;
    const char* end = knob.data() + knob.size();
    const bool good = equals != std::string::npos && equals > 0 &&
                      std::from_chars(knob.data() + equals + 1, end, value).ptr == end && equals + 1 < knob.size();
    require(good, Status::InternalError, "its point '", text, "' is not a list of name=integer");
    point[knob.substr(0, equals)] = value;
  }
  return point;
}

std::vector<Layout> parse_layouts(const char* const* texts, const std::vector<int>& ranks) {
  std::vector<Layout> layouts;
  if (texts == nullptr) return layouts;
  for (size_t i = 0; i < ranks.size(); ++i) {
    const std::string text = texts[i] != nullptr ? texts[i] : "";
    Layout layout = text.empty() ? Layout{} : graph::parse_layout(text);
    const bool fits = (layout.order.empty() || int(layout.order.size()) == ranks[i]) &&
                      std::all_of(layout.blocks.begin(), layout.blocks.end(),
                                  [&](const Layout::Block& block) { return block.axis < ranks[i]; });
    require(fits, Status::InternalError, "its layout '", text, "' is for another rank than ", ranks[i]);
    layouts.push_back(std::move(layout));
  }
  return layouts;
}

// What keeps a group from running on any device but the host; "" when nothing does.
std::string host_only(const Node& group) {
  for (const auto& node : group.regions[0]->nodes())
    if (graph::binds_result_dims(node->op) || node->op == Op::host_call)
      return str(graph::op_name(node->op), ": runs on the host");
  return {};
}

// Only reorders have layouts before candidates are chosen.
Candidate bare_candidate(const Node& group) {
  Candidate candidate;
  candidate.kind = Candidate::Kind::Vendor;
  if (group.regions[0]->nodes().front()->op == Op::reorder) {
    candidate.inputs = {group.operand(0)->type.layout};
    candidate.outputs = {group.result()->type.layout};
  }
  return candidate;
}

class PluginBackend : public backends::Backend {
 public:
  PluginBackend(const sardonyxBackend& table, std::string driver)
      : table_(table), name_(table.name), driver_(std::move(driver)) {}

  std::string_view name() const override { return name_; }

  std::vector<DeviceInfo> discover() const override {
    struct Found {
      const PluginBackend& backend;
      std::vector<DeviceInfo> devices;
      std::string failure;
    } found{*this, {}, {}};
    call(name_, "discover", [&](char* error, size_t size) {
      return table_.discover(
          [](void* context, const sardonyxDevice* device) {
            auto& all = *static_cast<Found*>(context);
            guarded(all.failure, [&] { all.devices.push_back(all.backend.device_info(device, all.devices)); });
          },
          &found, error, size);
    });
    check(found.failure.empty(), found.failure);
    return std::move(found.devices);
  }

  runtime::DevicePtr open(const DeviceInfo& device, const backends::OpenOptions& options) const override {
    const sardonyxSettings settings = c_settings(options.settings);
    Slots opened(1);
    call(name_, "open", [&](char* error, size_t size) {
      return table_.open(device.device.c_str(), &settings, opened.data(), error, size);
    });
    return std::make_shared<PluginDevice>(std::make_shared<OpenDevice>(table_, opened.take(0, name_, "open")));
  }

  Candidates candidates(const Node& group, const Target& target) const override {
    Candidates result;
    if (std::string reason = host_only(group); !reason.empty()) {
      result.refusals.push_back(str(name_, ".", reason));
      return result;
    }
    const Candidate bare = bare_candidate(group);
    const GroupDescription description(group, bare.inputs, bare.outputs);
    Answer answer{*this, group, bare, {}, {}};
    try {
      call(name_, "candidates", [&](char* error, size_t size) {
        return table_.candidates(target.cpu.c_str(), &description.get(), add, decline, &answer, error, size);
      });
      check(answer.failure.empty(), "plug-in '", name_, "': ", answer.failure);
      result = std::move(answer.result);
    } catch (const Error& error) {
      result.refusals = {error.text()};  // a plug-in that fails declines: others can run the group
    }
    return result;
  }

  std::vector<CompiledGroup> compile(std::span<const Chosen> batch, const Target& target,
                                     const Settings& settings) const override {
    std::vector<std::unique_ptr<GroupDescription>> groups;
    std::vector<std::string> families, points;
    std::vector<sardonyxChosen> chosen;
    families.reserve(batch.size());
    points.reserve(batch.size());
    for (const Chosen& entry : batch) {
      const Candidate& candidate = entry.candidate;
      groups.push_back(std::make_unique<GroupDescription>(*entry.group, candidate.inputs, candidate.outputs));
      families.push_back(candidate.family.substr(name_.size() + 1));
      points.push_back(backends::to_string(candidate.point));
      chosen.push_back({&groups.back()->get(), families.back().c_str(), points.back().c_str()});
    }
    const sardonyxSettings plain = c_settings(settings);
    Slots codes(batch.size());
    call(name_, "compile", [&](char* error, size_t size) {
      return table_.compile(target.cpu.c_str(), chosen.data(), chosen.size(), &plain, codes.data(), error, size);
    });
    std::vector<CompiledGroup> result(batch.size());
    for (size_t i = 0; i < batch.size(); ++i) {
      const Candidate& candidate = batch[i].candidate;
      backends::GroupLaunch launch;
      launch.kernel = std::make_shared<Code>(candidate.family, candidate.cost_ns, codes.take(i, name_, "compile"));
      const sardonyxGroup& group = groups[i]->get();
      for (int operand = 0; operand < group.input_count; ++operand) launch.inputs.push_back(operand);
      for (int output = 0; output < group.output_count; ++output) launch.outputs.push_back(group.input_count + output);
      launch.dims = groups[i]->dims();
      result[i].launches.push_back(std::move(launch));
    }
    return result;
  }

 private:
  struct Answer {
    const PluginBackend& backend;
    const Node& group;
    const Candidate& bare;
    Candidates result;
    std::string failure;
  };

  static void add(void* context, const sardonyxCandidate* candidate) {
    auto& answer = *static_cast<Answer*>(context);
    guarded(answer.failure, [&] { answer.result.list.push_back(answer.backend.checked(*candidate, answer)); });
  }

  static void decline(void* context, const char* reason) {
    auto& answer = *static_cast<Answer*>(context);
    guarded(answer.failure,
            [&] { answer.result.refusals.push_back(str(answer.backend.name_, ".", reason ? reason : "no reason")); });
  }

  Candidate checked(const sardonyxCandidate& plain, const Answer& answer) const {
    require(plain.family != nullptr && *plain.family != '\0', Status::InternalError, "a candidate without family");
    Candidate candidate = answer.bare;
    candidate.family = str(name_, ".", plain.family);
    try {
      candidate.point = parse_point(plain.point != nullptr ? plain.point : "");
      require(std::isfinite(plain.cost_ns) && plain.cost_ns >= 0, Status::InternalError, "its cost is ", plain.cost_ns,
              " ns");
      candidate.cost_ns = plain.cost_ns;
      std::vector<int> ranks;
      for (const graph::Value* operand : answer.group.operands) ranks.push_back(operand->type.rank());
      if (plain.input_layouts != nullptr) candidate.inputs = parse_layouts(plain.input_layouts, ranks);
      ranks.clear();
      for (const auto& value : answer.group.results) ranks.push_back(value->type.rank());
      if (plain.output_layouts != nullptr) candidate.outputs = parse_layouts(plain.output_layouts, ranks);
    } catch (Error& error) {
      error.add_context(str("in candidate '", candidate.family, "'"));
      throw;
    }
    return candidate;
  }

  DeviceInfo device_info(const sardonyxDevice* plain, const std::vector<DeviceInfo>& others) const {
    auto given = [](const char* text) { return text != nullptr && *text != '\0'; };
    check(plain != nullptr && given(plain->name) && given(plain->device), "plug-in '", name_,
          "': a device without name");
    DeviceInfo info;
    info.backend = name_;
    info.name = plain->name;
    info.device = plain->device;
    info.driver = driver_;
    for (const DeviceInfo& other : others)
      check(other.device != info.device, "plug-in '", name_, "': two devices '", info.device, "'");
    info.type = DeviceType(plain->type);
    constexpr DeviceType types[] = {DeviceType::Npu, DeviceType::Dsp, DeviceType::Gpu, DeviceType::Cpu,
                                    DeviceType::Fpga};
    check(std::find(std::begin(types), std::end(types), info.type) != std::end(types), "plug-in '", name_,
          "': device '", info.device, "' has the type ", plain->type);
    info.memory_bytes = plain->memory_bytes;
    info.memory_bandwidth = plain->memory_bandwidth;
    info.macs_fp32 = plain->macs_fp32;
    info.target.cpu = info.device;  // how candidates and compile tell the plug-in which of its devices is meant
    info.target.cores = 1;
    if (plain->macs_fp32 > 0) info.target.flops_per_ns = 2e-9 * double(plain->macs_fp32);
    if (plain->memory_bandwidth > 0) info.target.bytes_per_ns = 1e-9 * double(plain->memory_bandwidth);
    return info;
  }

  const sardonyxBackend& table_;
  std::string name_, driver_;
};

bool is_name(const char* text) {
  if (text == nullptr || *text == '\0') return false;
  return std::string_view(text).find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == std::string_view::npos;
}

}  // namespace

std::unique_ptr<backends::Backend> make_backend(const sardonyxBackend* table, std::string driver) {
  constexpr Status status = Status::BackendUnavailable;
  require(table != nullptr, status, "it does not work in this process");
  require(table->version == SARDONYX_BACKEND_VERSION, status, "it has version ", table->version,
          " of the contract, supported is ", SARDONYX_BACKEND_VERSION);
  require(table->size >= sizeof(sardonyxBackend), status, "its table has ", table->size, " bytes, expected ",
          sizeof(sardonyxBackend));
  require(is_name(table->name), status, "its name '", table->name != nullptr ? table->name : "",
          "' is not made of lower-case letters, digits and '_'");
  const bool complete = table->discover && table->open && table->candidates && table->compile && table->allocate &&
                        table->load && table->submit && table->wait;
  require(complete, status, "entries of its table are missing");
  return std::make_unique<PluginBackend>(*table, std::move(driver));
}

}  // namespace sardonyx::plugin
