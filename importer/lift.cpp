#include "importer/lift.h"

#include <cstring>
#include <optional>

#include "importer/limits.h"

namespace sardonyx::importer {

namespace {

// Field numbers of the way to an initializer's elements.
constexpr uint32_t model_graph = 7, graph_initializer = 5, tensor_raw_data = 9;

std::optional<uint64_t> read_varint(Bytes& in) {
  uint64_t value = 0;
  for (int shift = 0; shift < 64 && !in.empty(); shift += 7) {
    uint8_t byte = in.front();
    in = in.subspan(1);
    value |= uint64_t{byte & 0x7fu} << shift;
    if (byte < 0x80) return value;
  }
  return std::nullopt;
}

void append(std::string& out, Bytes bytes) { out.append(reinterpret_cast<const char*>(bytes.data()), bytes.size()); }

void append_length(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += char(value | 0x80);
  out += char(value);
}

struct Field {
  uint32_t number = 0;
  bool delimited = false;   // has a payload: wire type 2
  Bytes tag, all, payload;  // the tag alone, the whole field, and what the length covers
};

// Cuts the next field off `in`; nothing for wire types that are not plain values, and when it runs over the end.
std::optional<Field> next_field(Bytes& in) {
  const Bytes start = in;
  Field field;
  std::optional<uint64_t> tag = read_varint(in);
  if (!tag || *tag >> 3 == 0 || *tag >> 3 > 0x1fffffff) return std::nullopt;
  field.number = uint32_t(*tag >> 3);
  field.tag = start.first(start.size() - in.size());
  uint64_t skip = 0;
  switch (*tag & 7) {
    case 0:
      if (!read_varint(in)) return std::nullopt;
      break;
    case 1:
      skip = 8;
      break;
    case 5:
      skip = 4;
      break;
    case 2: {
      std::optional<uint64_t> length = read_varint(in);
      if (!length || *length > in.size()) return std::nullopt;
      field.delimited = true;
      field.payload = in.first(size_t(*length));
      skip = *length;
      break;
    }
    default:
      return std::nullopt;
  }
  if (skip > in.size()) return std::nullopt;
  in = in.subspan(size_t(skip));
  field.all = start.first(start.size() - in.size());
  return field;
}

// Calls visit(field) for every field; false when the message cannot be walked or `visit` returns false.
template <class Visit>
bool walk(Bytes message, Visit&& visit) {
  while (!message.empty()) {
    std::optional<Field> field = next_field(message);
    if (!field || !visit(*field)) return false;
  }
  return true;
}

// An initializer with large raw_data.
struct Large {
  int number = 0;
  Field tensor, raw;
};

// The delimited field `number` of a message when there is exactly one.
std::optional<Field> only_field(Bytes message, uint32_t number) {
  std::optional<Field> found;
  const bool plain = walk(message, [&](const Field& field) {
    if (!field.delimited || field.number != number) return true;
    const bool first = !found;
    found = field;
    return first;
  });
  return plain ? found : std::nullopt;
}

// The raw_data field of a tensor when it is large and the only one.
std::optional<Field> large_raw_data(Bytes tensor) {
  const std::optional<Field> found = only_field(tensor, tensor_raw_data);
  return found && found->payload.size() >= lift_threshold ? found : std::nullopt;
}

Bytes between(const uint8_t* begin, const uint8_t* end) { return Bytes(begin, size_t(end - begin)); }
const uint8_t* end_of(Bytes bytes) { return bytes.data() + bytes.size(); }

// The graph's bytes without the raw_data of `large`.
std::string reduce(Bytes graph, const std::vector<Large>& large) {
  std::string result;
  const uint8_t* rest = graph.data();
  for (const Large& l : large) {
    append(result, between(rest, l.tensor.all.data()));
    append(result, l.tensor.tag);
    append_length(result, l.tensor.payload.size() - l.raw.all.size());
    append(result, between(l.tensor.payload.data(), l.raw.all.data()));
    append(result, between(end_of(l.raw.all), end_of(l.tensor.payload)));
    rest = end_of(l.tensor.all);
  }
  append(result, between(rest, end_of(graph)));
  return result;
}

}  // namespace

LiftedModel lift(Bytes bytes) {
  LiftedModel result{bytes, {}, {}};
  if (bytes.size() < lift_threshold) return result;
  const std::optional<Field> graph = only_field(bytes, model_graph);
  if (!graph) return result;

  std::vector<Large> large;
  int initializers = 0;
  const bool plain = walk(graph->payload, [&](const Field& field) {
    if (!field.delimited || field.number != graph_initializer) return true;
    int number = initializers++;
    if (field.payload.size() < lift_threshold) return true;
    if (std::optional<Field> raw = large_raw_data(field.payload)) large.push_back({number, field, *raw});
    return true;
  });
  if (!plain || large.empty()) return result;

  std::string reduced = reduce(graph->payload, large);
  append(result.reduced, between(bytes.data(), graph->all.data()));
  append(result.reduced, graph->tag);
  append_length(result.reduced, reduced.size());
  result.reduced += reduced;
  append(result.reduced, between(end_of(graph->all), end_of(bytes)));
  for (const Large& l : large) result.payloads.push_back({l.number, l.raw.payload});
  return result;
}

}  // namespace sardonyx::importer
