#include "runtime/kernel.h"

#include "runtime/base/status.h"

namespace sardonyx::runtime {

namespace {
struct ErrorRow {
  int32_t code;
  Status status;
  const char* text;
};
constexpr ErrorRow error_rows[] = {
    {KernelOk, Status::Success, "success"},
    {IndexOutOfRange, Status::InternalError, "index out of range"},
    {DivisionByZero, Status::InternalError, "integer division by zero"},
    {KernelFailed, Status::InternalError, "kernel failed"},
    {OutOfMemory, Status::NoSystemMemory, "out of memory"},
};

const ErrorRow& error_row(int32_t code) {
  for (const ErrorRow& row : error_rows)
    if (row.code == code) return row;
  return error_rows[KernelFailed];
}
}  // namespace

Status kernel_error_status(int32_t code) { return error_row(code).status; }

const char* kernel_error_text(int32_t code) { return error_row(code).text; }

}  // namespace sardonyx::runtime
