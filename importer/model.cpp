#include <algorithm>

#include <google/protobuf/io/coded_stream.h>

#include "importer/findings.h"
#include "importer/import.h"
#include "importer/limits.h"
#include "importer/model_file.h"
#include "importer/model_impl.h"
#include "importer/tensor_data.h"
#include "importer/validator.h"
#include "runtime/base/compile_thread.h"

namespace sardonyx::importer {

Model::Model() : impl_(std::make_unique<Impl>()) {}
Model::~Model() = default;

DeclaredTensor declared_tensor(const proto::ValueInfoProto& info) {
  DeclaredTensor result;
  result.name = info.name();
  if (!info.type().has_tensor_type()) return result;
  const auto& tensor = info.type().tensor_type();
  if (data_type_name(tensor.elem_type()) && is_known(DType(tensor.elem_type())))
    result.dtype = DType(tensor.elem_type());
  result.has_shape = tensor.has_shape();
  for (const auto& dim : tensor.shape().dim())
    result.dims.push_back({dim.has_dim_value() ? dim.dim_value() : -1, dim.dim_param()});
  return result;
}

Tensor Model::Impl::tensor(const proto::TensorProto& message, bool views) {
  auto found = tensors.find(&message);
  if (found != tensors.end()) return found->second;
  TensorSize size = tensor_size(message.data_type(), message.dims().data(), message.dims_size());
  if (views && size.bytes >= int64_t{share_threshold})
    if (Tensor view = view_of(message, model); view.defined()) return view;
  Tensor result = to_tensor(message, sources);
  tensors.emplace(&message, result);
  if (message.raw_data().size() >= share_threshold) {
    auto* raw = const_cast<proto::TensorProto&>(message).mutable_raw_data();  // the model is ours, and not const
    raw->clear();
    raw->shrink_to_fit();
  }
  return result;
}

void Model::Impl::take_lifted(const Lend& lend) {
  struct Weight {
    const proto::TensorProto* message;
    Bytes data;
    Tensor tensor;
  };
  std::vector<Weight> copies;
  int64_t bytes = 0;
  for (const auto& [message, data] : sources.lifted) {
    const DType dtype = supported_dtype(message->data_type());
    if (dtype == DType::None) continue;
    if (lend && is_stored_as_is(dtype)) {
      tensors.emplace(message, Tensor::lent(dtype, {message->dims().begin(), message->dims().end()}, lend(data)));
      continue;
    }
    copies.push_back({message, data, {}});
    bytes += int64_t(data.size());
  }
  std::sort(copies.begin(), copies.end(),
            [](const Weight& a, const Weight& b) { return a.data.data() < b.data.data(); });
  parallel_parts(int64_t(copies.size()), bytes,
                 [&](int64_t i) { copies[size_t(i)].tensor = to_tensor(*copies[size_t(i)].message, sources); });
  for (Weight& weight : copies) tensors.emplace(weight.message, std::move(weight.tensor));
  sources.lifted.clear();
}

Tensor Model::Impl::tensor(const proto::SparseTensorProto& message) {
  auto found = tensors.find(&message);
  if (found == tensors.end()) found = tensors.emplace(&message, to_dense_tensor(message, sources)).first;
  return found->second;
}

namespace {
// Lowering recurses with the nesting of subgraphs and calls; a few levels fit any caller's stack.
void with_stack_for(int nesting, const std::function<void()>& f) {
  constexpr int shallow = 4;
  if (nesting <= shallow)
    f();
  else
    on_compile_thread(f);
}
}  // namespace

std::unique_ptr<Model> Model::parse(const void* bytes, size_t size, const ImportOptions& options,
                                    const std::shared_ptr<const void>& lender) {
  const Bytes all(static_cast<const uint8_t*>(bytes), size);
  if (lender == nullptr) return parse(all, options, nullptr);
  return parse(all, options, [&](Bytes part) { return std::shared_ptr<const uint8_t>(lender, part.data()); });
}

std::unique_ptr<Model> Model::parse_file(const std::string& path, const ImportOptions& options) {
  const auto file = std::make_shared<const ModelFile>(path);
  return parse(file->bytes(), options, [&](Bytes part) { return ModelFile::lend(file, part); });
}

std::unique_ptr<Model> Model::parse(Bytes bytes, const ImportOptions& options, const Lend& lend) {
  require(bytes.size() <= max_model_bytes, Status::InvalidProtobuf, "a model of ", bytes.size(),
          " bytes exceeds protobuf's limit of ", max_model_bytes);
  std::unique_ptr<Model> result(new Model());
  Impl& impl = *result->impl_;
  impl.sources.external_dir = options.external_data_dir;
  impl.model = std::make_shared<proto::ModelProto>();
  const LiftedModel lifted = lift(bytes);
  google::protobuf::io::CodedInputStream stream(lifted.message().data(), int(lifted.message().size()));
  stream.SetRecursionLimit(max_message_depth);
  require(impl.model->MergePartialFromCodedStream(&stream) && stream.ConsumedEntireMessage(), Status::InvalidProtobuf,
          "the ", bytes.size(), " bytes are not a ModelProto, or messages are nested more than ", max_message_depth,
          " deep");

  for (const LiftedModel::Payload& payload : lifted.payloads)
    impl.sources.lifted.emplace(&impl.model->graph().initializer(payload.initializer), payload.data);

  Findings findings;
  impl.nesting = validate(*impl.model, impl.sources, findings);
  throw_if_any(findings.report());
  impl.take_lifted(lend);
  for (const auto& input : impl.model->graph().input()) impl.inputs.push_back(declared_tensor(input));
  for (const auto& tensor : impl.model->graph().initializer()) impl.initializers.push_back(tensor.name());
  for (const auto& sparse : impl.model->graph().sparse_initializer())
    impl.initializers.push_back(sparse.values().name());

  // Rules that only the operators' own lowerings know belong to stage 3 too.
  Report report = result->check();
  if (!report.findings.empty() && report.findings.front().stage <= 3) throw_if_any(report);
  return result;
}

const std::vector<DeclaredTensor>& Model::inputs() const { return impl_->inputs; }
const std::vector<std::string>& Model::initializers() const { return impl_->initializers; }

Report Model::check() const {
  std::lock_guard lock(impl_->mutex);
  if (!impl_->checked) {
    Findings findings;
    with_stack_for(impl_->nesting, [&] { import_graph(*impl_, {}, {.views = true}, findings); });
    impl_->checked = findings.report();
  }
  return *impl_->checked;
}

std::unique_ptr<graph::Graph> Model::import(const std::map<std::string, Tensor>& weights, bool values) const {
  std::lock_guard lock(impl_->mutex);
  Findings findings;
  std::unique_ptr<graph::Graph> graph;
  with_stack_for(impl_->nesting, [&] { graph = import_graph(*impl_, weights, {.values = values}, findings); });
  throw_if_any(findings.report());
  return graph;
}

}  // namespace sardonyx::importer
