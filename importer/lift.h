// Takes large weights out of model bytes before protobuf sees them, so that each is copied once, from the caller's
// bytes into aligned memory, and not a second time by the parser.
//
//   LiftedModel lifted = lift(bytes, size);
//   // lifted.message(): the same ModelProto without the raw_data of its large initializers
//   // lifted.payloads: {initializer number, where its raw_data lies in `bytes`}
//
// Only the plain case is lifted: one graph, at most one raw_data per initializer. Whatever else is in the bytes,
// malformed or merely unusual, stays as it is for protobuf to read or refuse.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace sardonyx::importer {

using Bytes = std::span<const uint8_t>;

struct LiftedModel {
  struct Payload {
    int initializer = 0;
    Bytes data;
  };
  Bytes original;
  std::string reduced;
  std::vector<Payload> payloads;

  Bytes message() const {
    return payloads.empty() ? original : Bytes(reinterpret_cast<const uint8_t*>(reduced.data()), reduced.size());
  }
};

LiftedModel lift(Bytes bytes);

}  // namespace sardonyx::importer
