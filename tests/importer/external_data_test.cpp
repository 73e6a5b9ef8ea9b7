// External data: refused without a base directory; with one, only plain files beneath it, only within their size.
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>

#include "runtime/base/status.h"
#include "tests/importer/models.h"

namespace sardonyx::importer::test {
namespace {

namespace fs = std::filesystem;

// A directory with base/weights.bin (16 bytes: floats 1 2 3 4) and secret.bin beside base.
class ExternalDataTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "sardonyx-external-XXXXXX").string();
    root_ = mkdtemp(pattern.data());
    fs::create_directories(root_ / "base/deep/er");
    write(root_ / "base/weights.bin");
    write(root_ / "base/deep/er/weights.bin");
    write(root_ / "secret.bin");
    options_.external_data_dir = (root_ / "base").string();
  }
  void TearDown() override { fs::remove_all(root_); }

  static void write(const fs::path& path) {
    const float values[] = {1, 2, 3, 4};
    std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(values), sizeof values);
  }

  using Entries = std::vector<std::pair<std::string, std::string>>;
  static void make_external(TensorProto& tensor, const Entries& entries) {
    tensor.clear_raw_data();
    tensor.set_data_location(TensorProto::EXTERNAL);
    for (const auto& [key, value] : entries) {
      auto* entry = tensor.add_external_data();
      entry->set_key(key);
      entry->set_value(value);
    }
  }
  ModelProto model(const Entries& entries) {
    ModelProto result = small_model();
    make_external(*result.mutable_graph()->mutable_initializer(0), entries);
    return result;
  }
  void expect_refused(const Entries& entries, const char* text) {
    Outcome outcome = outcome_of(model(entries), options_);
    EXPECT_STREQ(status_name(outcome.status), "INVALID_MODEL") << outcome.text;
    EXPECT_NE(outcome.text.find("initializer 'w'"), std::string::npos) << outcome.text;
    EXPECT_NE(outcome.text.find(text), std::string::npos) << outcome.text;
  }

  fs::path root_;
  ImportOptions options_;
};

TEST_F(ExternalDataTest, IsRefusedWithoutABaseDirectory) {
  options_.external_data_dir.clear();
  expect_refused({{"location", "weights.bin"}}, "no directory for external data");
}

TEST_F(ExternalDataTest, IsReadBeneathTheBaseDirectory) {
  for (const char* location : {"weights.bin", "deep/er/weights.bin", "./deep//er/./weights.bin"}) {
    Outcome outcome = outcome_of(model({{"location", location}, {"offset", "0"}, {"length", "16"}}), options_);
    EXPECT_EQ(outcome.status, Status::Success) << outcome.text;
  }
  ModelProto part = model({{"location", "weights.bin"}, {"offset", "8"}, {"length", "8"}, {"checksum", "ignored"}});
  part.mutable_graph()->mutable_initializer(0)->set_dims(0, 2);
  set_type(*part.mutable_graph()->mutable_input(0), TensorProto::FLOAT, {});
  part.mutable_graph()->mutable_input(0)->clear_type();
  set_type(*part.mutable_graph()->mutable_input(0), TensorProto::FLOAT, {"N", "2"});
  part.mutable_graph()->mutable_output(0)->clear_type();
  auto graph = parse(part, options_)->import({});
  const Tensor* constant = nullptr;
  for (const auto& node : graph->body().nodes())
    if (node->op == graph::Op::constant && node->result()->name == "w") constant = node->result()->constant();
  ASSERT_NE(constant, nullptr);
  EXPECT_EQ(constant->as_double(0), 3);
  EXPECT_EQ(constant->as_double(1), 4);
}

TEST_F(ExternalDataTest, PathsThatLeaveTheDirectoryAreRefused) {
  expect_refused({}, "without a location");
  expect_refused({{"location", ""}}, "without a location");
  expect_refused({{"location", (root_ / "base/weights.bin").string()}}, "absolute");
  expect_refused({{"location", "../secret.bin"}}, "leaves its directory");
  expect_refused({{"location", "deep/../weights.bin"}}, "leaves its directory");
  expect_refused({{"location", "deep/er/../../../secret.bin"}}, "leaves its directory");
  expect_refused({{"location", std::string("weights.bin\0x", 13)}}, "is not a path");
  expect_refused({{"location", "."}}, "names no file");
  expect_refused({{"location", "nothing.bin"}}, "cannot open");
  expect_refused({{"location", std::string(5000, 'a')}}, "is not a path");
}

TEST_F(ExternalDataTest, LinksAndSpecialFilesAreRefused) {
  fs::create_symlink(root_ / "secret.bin", root_ / "base/outside");
  fs::create_symlink("weights.bin", root_ / "base/inside");
  fs::create_directory_symlink("deep", root_ / "base/shallow");
  fs::create_directory_symlink(root_, root_ / "base/up");
  fs::create_hard_link(root_ / "secret.bin", root_ / "base/hard");
  ASSERT_EQ(mkfifo((root_ / "base/fifo").c_str(), 0600), 0);
  for (const char* location : {"outside", "inside", "shallow/er/weights.bin", "up/secret.bin"})
    expect_refused({{"location", location}}, "cannot open");
  expect_refused({{"location", "hard"}}, "hard link");
  expect_refused({{"location", "fifo"}}, "not a regular file");
  expect_refused({{"location", "deep"}}, "not a regular file");
}

TEST_F(ExternalDataTest, RangesAreCheckedStrictly) {
  struct Row {
    const char *offset, *length, *text;
  };
  const Row rows[] = {
      {"-1", "16", "not a byte count"},       {"", "16", "not a byte count"},
      {"0x0", "16", "not a byte count"},      {" 0", "16", "not a byte count"},
      {"+0", "16", "not a byte count"},       {"0 ", "16", "not a byte count"},
      {"1e1", "16", "not a byte count"},      {"99999999999999999999", "16", "not a byte count"},
      {"0", "-16", "not a byte count"},       {"0", "", "not a byte count"},
      {"17", "0", "behind the end"},          {"9223372036854775807", "16", "behind the end"},
      {"1", "16", "behind the end"},          {"0", "17", "behind the end"},
      {"8", "9223372036854775807", "behind"}, {"0", "8", "has 8 bytes, its dims need 16"},
  };
  for (const Row& row : rows)
    expect_refused({{"location", "weights.bin"}, {"offset", row.offset}, {"length", row.length}}, row.text);
  expect_refused({{"location", "weights.bin"}, {"offset", "0"}, {"offset", "0"}}, "given twice");
  ModelProto large = model({{"location", "weights.bin"}});
  large.mutable_graph()->mutable_initializer(0)->set_dims(0, int64_t{1} << 40);
  EXPECT_EQ(outcome_of(large, options_).status, Status::InvalidModel);
}

TEST_F(ExternalDataTest, OwnElementsAreRefused) {
  ModelProto m = model({{"location", "weights.bin"}});
  m.mutable_graph()->mutable_initializer(0)->set_raw_data("0123456789abcdef");
  EXPECT_EQ(outcome_of(m, options_).status, Status::InvalidModel);
}

// Everywhere a tensor may be, the same rules hold.
TEST_F(ExternalDataTest, IsCheckedInEveryPlace) {
  auto external = [&](TensorProto& tensor) { make_external(tensor, {{"location", "../secret.bin"}}); };
  const std::function<void(ModelProto&)> places[] = {
      [&](ModelProto& m) {
        TensorProto* t = add_attribute(m.mutable_graph()->mutable_node(0), "v", AttributeProto::TENSOR)->mutable_t();
        *t = floats("", {4}, {});
        external(*t);
      },
      [&](ModelProto& m) {
        TensorProto* t = add_attribute(m.mutable_graph()->mutable_node(0), "v", AttributeProto::TENSORS)->add_tensors();
        *t = floats("", {4}, {});
        external(*t);
      },
      [&](ModelProto& m) {
        auto* s = m.mutable_graph()->add_sparse_initializer();
        *s->mutable_values() = floats("sparse", {4}, {});
        *s->mutable_indices() = ints("", {4}, {0, 1, 2, 3});
        s->add_dims(9);
        external(*s->mutable_values());
      },
      [&](ModelProto& m) {
        auto* s = add_attribute(m.mutable_graph()->mutable_node(0), "v", AttributeProto::SPARSE_TENSOR)
                      ->mutable_sparse_tensor();
        *s->mutable_values() = floats("", {2}, {1, 2});
        *s->mutable_indices() = ints("", {2}, {});
        s->add_dims(9);
        external(*s->mutable_indices());
      },
      [&](ModelProto& m) {
        GraphProto g = branch("Relu", "s", "inner");
        *g.add_initializer() = floats("deep", {4}, {});
        external(*g.mutable_initializer(0));
        *m.mutable_graph()->add_input() = value("c", TensorProto::BOOL, {});
        add_if(m.mutable_graph(), "choose", "c", "z", g, branch("Relu", "s", "other"));
      },
      [&](ModelProto& m) {
        FunctionProto* f = m.add_functions();
        f->set_name("F"), f->set_domain("local"), f->add_input("p"), f->add_output("q");
        f->add_opset_import()->set_version(17);
        TensorProto* t = add_attribute(add_node(f, "", "Relu", {"p"}, {"q"}), "v", AttributeProto::TENSOR)->mutable_t();
        *t = floats("", {4}, {});
        external(*t);
      },
  };
  int index = 0;
  for (const auto& place : places) {
    for (const ImportOptions& options : {options_, ImportOptions{}}) {
      ModelProto m = small_model();
      place(m);
      Outcome outcome = outcome_of(m, options);
      EXPECT_STREQ(status_name(outcome.status), "INVALID_MODEL") << index << ": " << outcome.text;
      EXPECT_NE(outcome.text.find("external data"), std::string::npos) << index << ": " << outcome.text;
    }
    ++index;
  }
}

}  // namespace
}  // namespace sardonyx::importer::test
