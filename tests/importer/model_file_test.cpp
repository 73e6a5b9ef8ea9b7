#include "importer/model_file.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "runtime/base/status.h"
#include "tests/importer/models.h"

namespace sardonyx::importer::test {
namespace {

// A file that ends with the test.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& contents) {
    const int file = mkstemp(path_.data());
    if (file >= 0) close(file);
    std::ofstream(path_, std::ios::binary) << contents;
  }
  ~TemporaryFile() { unlink(path_.c_str()); }
  const std::string& path() const { return path_; }

 private:
  std::string path_ = (std::filesystem::temp_directory_path() / "sardonyx-model-XXXXXX").string();
};

Status status_of(const std::string& path) {
  try {
    Model::parse_file(path, {});
    return Status::Success;
  } catch (const Error& error) {
    return error.status();
  }
}

TEST(ModelFile, IsReadAgainAfterItsPagesWereReleased) {
  std::string contents(1 << 20, 'x');
  for (size_t i = 0; i < contents.size(); i += 100) contents[i] = char(i / 100);
  const TemporaryFile file(contents);
  const ModelFile model(file.path());
  for (auto [at, size] :
       {std::pair{size_t{0}, contents.size()}, {size_t{5000}, size_t{70000}}, {size_t{1}, size_t{1}}}) {
    model.release(model.bytes().subspan(at, size));
    EXPECT_TRUE(std::equal(contents.begin(), contents.end(), model.bytes().begin(), model.bytes().end(),
                           [](char a, uint8_t b) { return uint8_t(a) == b; }));
  }
}

TEST(ModelFile, GivesTheGraphOfItsBytes) {
  ModelProto proto = small_model();
  std::vector<float> values(50000);
  for (size_t i = 0; i < values.size(); ++i) values[i] = float(i);
  *proto.mutable_graph()->add_initializer() = floats("large", {50000}, values);
  const TemporaryFile file(proto.SerializeAsString());
  const auto model = Model::parse_file(file.path(), {});
  const auto graph = model->import({});
  const Tensor* large = nullptr;
  for (const auto& node : graph->body().nodes())
    if (node->op == graph::Op::constant && node->result()->name == "large") large = node->result()->constant();
  ASSERT_NE(large, nullptr);
  EXPECT_TRUE(same_bits(*large, Tensor::of<float>(DType::F32, {50000}, values)));
}

TEST(ModelFile, RefusesWhatIsNoModel) {
  EXPECT_EQ(status_of(std::filesystem::temp_directory_path().string()), Status::InvalidModel);
  EXPECT_EQ(status_of("/dev/null"), Status::InvalidModel);
  EXPECT_EQ(status_of(""), Status::InvalidModel);
  EXPECT_EQ(status_of("/no/such/file"), Status::InvalidModel);
  std::string gone;
  {
    const TemporaryFile file("x");
    gone = file.path();
  }
  EXPECT_EQ(status_of(gone), Status::InvalidModel);
  const TemporaryFile empty(""), garbage("\xff\xff\xff\xff");
  EXPECT_EQ(status_of(empty.path()), Status::InvalidSize);
  EXPECT_EQ(status_of(garbage.path()), Status::InvalidProtobuf);
}

}  // namespace
}  // namespace sardonyx::importer::test
