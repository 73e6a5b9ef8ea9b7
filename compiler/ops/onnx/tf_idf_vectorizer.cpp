// TfIdfVectorizer of integers or strings: how often each n-gram of a pool occurs in every row, weighted; on the host.
#include <algorithm>
#include <map>
#include <sstream>

#include "compiler/ops/host_functions.h"
#include "compiler/ops/lowering.h"
#include "compiler/ops/onnx/versions.h"
#include "runtime/base/status.h"

namespace sardonyx::ops {
namespace {

enum class Mode { Tf, Idf, TfIdf };

// The n-grams of `row` whose items lie `distance` apart.
template <class F>
void each_gram(std::span<const int64_t> row, size_t n, size_t distance, F&& visit) {
  std::vector<int64_t> gram(n);
  for (size_t start = 0; start + (n - 1) * distance < row.size(); ++start) {
    for (size_t k = 0; k < n; ++k) gram[k] = row[start + k * distance];
    visit(gram);
  }
}

// Parameters: "mode shortest longest skips length". Operands: rows [N,C], pool, its first index per n, result index and
// weight per n-gram.
std::vector<Tensor> run(const std::string& parameters, std::span<const Tensor> operands) {
  int mode = 0;
  size_t shortest = 0, longest = 0, skips = 0;
  int64_t length = 0;
  std::istringstream(parameters) >> mode >> shortest >> longest >> skips >> length;
  const Tensor &rows = operands[0], &pool = operands[1], &begins = operands[2], &places = operands[3],
               &weights = operands[4];
  std::map<std::vector<int64_t>, int64_t> numbers;  // of the n-grams in the order of the pool
  for (int64_t level = 0; level < begins.count(); ++level) {
    const int64_t end = level + 1 < begins.count() ? begins.as_int(level + 1) : pool.count(), n = level + 1;
    for (int64_t at = begins.as_int(level); at + n <= end; at += n) {
      std::vector<int64_t> gram;
      for (int64_t k = 0; k < n; ++k) gram.push_back(pool.as_int(at + k));
      numbers.emplace(std::move(gram), int64_t(numbers.size()));
    }
  }
  const int64_t count = rows.dims()[0], width = rows.dims()[1];
  Tensor result(DType::F32, {count, length});
  std::fill_n(result.data<float>(), result.count(), 0.0f);
  for (int64_t r = 0; r < count; ++r) {
    const std::span row(rows.data<int64_t>() + r * width, size_t(width));
    float* target = result.data<float>() + r * length;
    for (size_t n = shortest; n <= longest; ++n)
      for (size_t distance = 1; distance <= (n == 1 ? 1 : skips + 1); ++distance)  // single items have no distance
        each_gram(row, n, distance, [&](const std::vector<int64_t>& gram) {
          const auto found = numbers.find(gram);
          if (found == numbers.end()) return;
          const float weight = Mode(mode) == Mode::Tf ? 1.0f : weights.data<float>()[found->second];
          float& slot = target[places.as_int(found->second)];
          slot = Mode(mode) == Mode::Idf ? weight : slot + weight;
        });
  }
  return {result};
}

// Every word as the position of the last that equals it.
std::vector<int64_t> numbered(const std::vector<std::string>& words) {
  std::map<std::string_view, int64_t> last;
  for (size_t i = 0; i < words.size(); ++i) last[words[i]] = int64_t(i);
  std::vector<int64_t> numbers;
  for (const std::string& word : words) numbers.push_back(last[word]);
  return numbers;
}

// The same for the elements of a tensor; what is no word gets a number that none has.
Value* word_numbers(Builder& b, Value* x, const std::vector<std::string>& words) {
  Value* keys = b.constant(Tensor::strings({int64_t(words.size())}, std::span(words)));
  return b.value_call("find_keys", "", {x, keys}, {{DType::I64, x->type.dims, {}}})[0];
}

std::vector<Value*> lower(Lowering& in) {
  auto& b = in.builder();
  Value* x = in[0];
  const bool texts = x->type.dtype == DType::String;
  in.require(texts || x->type.dtype == DType::I32 || x->type.dtype == DType::I64, Status::InvalidModel, "tensors of ",
             dtype_name(x->type.dtype), " are not accepted");
  const int rank = x->type.rank();
  in.require(rank == 1 || rank == 2, Status::InvalidModel, "the input is ", graph::to_string(x->type));
  const std::string mode = in.attr_string("mode");
  in.require(mode == "TF" || mode == "IDF" || mode == "TFIDF", Status::InvalidModel, "mode '", mode, "' is unknown");
  const int64_t shortest = in.attr_int("min_gram_length"), longest = in.attr_int("max_gram_length"),
                skips = in.attr_int("max_skip_count");
  in.require(1 <= shortest && shortest <= longest && skips >= 0, Status::InvalidModel, "n-grams of ", shortest, " to ",
             longest, " items with up to ", skips, " skips");
  const auto begins = in.attr_ints("ngram_counts"), places = in.attr_ints("ngram_indexes");
  const std::vector<std::string> words = texts ? in.attr_strings("pool_strings") : std::vector<std::string>();
  const std::vector<int64_t> pool = texts ? numbered(words) : in.attr_ints("pool_int64s");
  if (texts) x = word_numbers(b, x, words);
  int64_t grams = 0;
  for (size_t level = 0; level < begins.size(); ++level) {
    const int64_t end = level + 1 < begins.size() ? begins[level + 1] : int64_t(pool.size()), n = int64_t(level) + 1;
    in.require(0 <= begins[level] && begins[level] <= end && end <= int64_t(pool.size()), Status::InvalidModel,
               "ngram_counts[", level, "] is ", begins[level]);
    in.require((end - begins[level]) % n == 0, Status::InvalidModel, "the pool has parts of ", n, "-grams");
    grams += (end - begins[level]) / n;
  }
  constexpr int64_t most_places = int64_t{1} << 40;  // of the result: more is no tensor of any machine
  const bool placed =
      std::all_of(places.begin(), places.end(), [](int64_t place) { return place >= 0 && place < most_places; });
  in.require(placed && grams == int64_t(places.size()) && grams > 0, Status::InvalidModel, "ngram_indexes has ",
             places.size(), " entries for ", grams, " n-grams");
  Tensor weights(DType::F32, {grams});
  std::fill_n(weights.data<float>(), grams, 1.0f);
  if (in.has("weights")) {
    const auto given = in.attr_floats("weights");
    in.require(int64_t(given.size()) == grams, Status::InvalidModel, given.size(), " weights for ", grams, " n-grams");
    std::copy(given.begin(), given.end(), weights.data<float>());
  }
  const int64_t length = *std::max_element(places.begin(), places.end()) + 1;
  const Expr rows = rank == 2 ? x->type.dims[0] : Expr(1);
  Value* table = b.reshape(b.cast(x, DType::I64), {rows, x->type.dims.back()});
  const int mode_number = mode == "TF" ? 0 : mode == "IDF" ? 1 : 2;
  const std::string parameters = str(mode_number, ' ', shortest, ' ', longest, ' ', skips, ' ', length);
  Value* counts = b.host_call("tf_idf_vectorizer", parameters,
                              {table, b.constant(Tensor::ints(pool)), b.constant(Tensor::ints(begins)),
                               b.constant(Tensor::ints(places)), b.constant(weights)},
                              {{DType::F32, {rows, length}, {}}})[0];
  return {rank == 2 ? counts : b.reshape(counts, {length})};
}

const HostFunctionEntry entry{{.name = "tf_idf_vectorizer", .run = run}};
const OnnxOp op{operator_row("TfIdfVectorizer", {9}, lower, {1, 1}, {1, 1}, Execution::Host)};

}  // namespace
}  // namespace sardonyx::ops
