// A reader of protobuf's wire format: fields of a message one after the other, whatever its schema.
#pragma once
#include <cstdint>
#include <cstring>
#include <span>
#include <string>

#include "runtime/base/strings.h"
#include "tools/usage_error.h"

namespace sardonyx::tools {

using Bytes = std::span<const uint8_t>;

// One field of a message: `varint` for wire types 0, 1 and 5, `bytes` for wire type 2.
struct Field {
  uint32_t number = 0;
  uint32_t wire = 0;
  uint64_t varint = 0;
  Bytes bytes;
};

class Reader {
 public:
  Reader(Bytes data, const std::string& source) : data_(data), source_(source) {}

  bool next(Field& field) {
    if (data_.empty()) return false;
    const uint64_t key = varint();
    field = {uint32_t(key >> 3), uint32_t(key & 7), 0, {}};
    switch (field.wire) {
      case 0:
        field.varint = varint();
        break;
      case 1:
        field.varint = fixed(8);
        break;
      case 2:
        field.bytes = take(varint());
        break;
      case 5:
        field.varint = fixed(4);
        break;
      default:
        broken("unknown wire type");
    }
    return true;
  }

  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const uint8_t byte = take(1)[0];
      value |= uint64_t(byte & 0x7F) << shift;
      if ((byte & 0x80) == 0) return value;
    }
    broken("varint of more than ten bytes");
  }

  uint64_t fixed(size_t size) {
    uint64_t value = 0;
    std::memcpy(&value, take(size).data(), size);
    return value;
  }

  bool empty() const { return data_.empty(); }

 private:
  Bytes take(uint64_t size) {
    if (size > data_.size()) broken("truncated");
    const Bytes taken = data_.first(size_t(size));
    data_ = data_.subspan(size_t(size));
    return taken;
  }
  [[noreturn]] void broken(const char* what) const {
    throw UsageError(str(source_, ": not a protobuf message: ", what));
  }

  Bytes data_;
  const std::string& source_;
};

inline std::string as_text(Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

}  // namespace sardonyx::tools
