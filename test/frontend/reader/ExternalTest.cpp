//===- ExternalTest.cpp - External data and its choke point
//----------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What may be opened and what not, with openat2 and without it.
//
//===----------------------------------------------------------------------===//
#include "Protos.h"

#include "frontend/onnx/reader/File.h"

#include <filesystem>
#include <fstream>
#include <sys/stat.h>
#include <unistd.h>

using namespace smelt::onnx;
namespace fs = std::filesystem;

namespace {

/// root/model/{w.bin, sub/w.bin} and root/outside/w.bin, 16 bytes each.
class External : public testing::Test {
protected:
  void SetUp() override {
    root = fs::path(testing::TempDir()) /
           ("external-" + std::to_string(getpid()) + "-" +
            testing::UnitTest::GetInstance()->current_test_info()->name());
    folder = root / "model";
    fs::create_directories(folder / "sub");
    fs::create_directories(root / "outside");
    for (fs::path at : {folder / "w.bin", folder / "sub" / "w.bin",
                        root / "outside" / "w.bin"})
      write(at, "0123456789abcdef");
  }
  void TearDown() override { fs::remove_all(root); }

  static void write(const fs::path &path, const std::string &text) {
    std::ofstream(path, std::ios::binary) << text;
  }
  static pb::ModelProto
  model(std::vector<std::pair<std::string, std::string>> entries,
        int64_t elements = 4) {
    pb::ModelProto proto = addModel();
    pb::TensorProto &w = *proto.mutable_graph()->mutable_initializer(0);
    w.clear_float_data();
    w.set_dims(0, elements);
    w.set_data_location(pb::TensorProto::EXTERNAL);
    for (auto &[key, text] : entries) {
      auto *entry = w.add_external_data();
      entry->set_key(key);
      entry->set_value(text);
    }
    return proto;
  }
  Result<Model>
  readEntries(std::vector<std::pair<std::string, std::string>> entries,
              int64_t elements = 4, const std::string &trustRoot = {}) {
    ReadOptions options;
    options.trustRoot = trustRoot;
    return read(model(std::move(entries), elements), options, folder.string());
  }
  Result<MappedFile> map(const std::string &location, OpenMethod method,
                         const std::string &trustRoot = {}) {
    return mapExternalFile(folder.string(), location, trustRoot, method);
  }

  fs::path root, folder;
};

} // namespace

static constexpr OpenMethod kMethods[] = {OpenMethod::Auto, OpenMethod::Walk};

TEST_F(External, DataAreViewed) {
  for (const char *location : {"w.bin", "sub/w.bin", "./sub//w.bin"}) {
    Result<Model> result = readEntries({{"location", location}});
    ASSERT_READS(result);
    const Tensor &w = result->graph.initializers[0];
    EXPECT_TRUE(w.isExternal);
    EXPECT_EQ(std::string(w.data.begin(), w.data.end()), "0123456789abcdef");
  }
  Result<Model> part =
      readEntries({{"location", "w.bin"}, {"offset", "3"}, {"length", "4"}}, 1);
  ASSERT_READS(part);
  EXPECT_EQ(part->graph.initializers[0].data[0], '3');
}

TEST_F(External, OffsetsAndLengths) {
  auto with = [&](const char *offset, const char *length) {
    return readEntries(
        {{"location", "w.bin"}, {"offset", offset}, {"length", length}});
  };
  EXPECT_READS(with("0", "16"));
  for (const char *bad : {"-1", "", " 0", "0x0", "1e3", "99999999999999999999",
                          "9223372036854775808"}) {
    EXPECT_REFUSED(with(bad, "16"), "onnx.external-offset", 65);
    EXPECT_REFUSED(with("0", bad), "onnx.external-length", 65);
  }
  EXPECT_REFUSED(with("17", "16"), "onnx.external-offset", 65);
  EXPECT_REFUSED(with("9223372036854775807", "16"), "onnx.external-offset", 65);
  EXPECT_REFUSED(with("1", "16"), "onnx.external-length", 65);
  EXPECT_REFUSED(with("0", "15"), "onnx.external-length", 65);
  EXPECT_REFUSED(with("0", "17"), "onnx.external-length", 65);
  // No length means up to the end.
  EXPECT_REFUSED(readEntries({{"location", "w.bin"}, {"offset", "4"}}),
                 "onnx.external-length", 65);
}

TEST_F(External, Locations) {
  EXPECT_REFUSED(readEntries({}), "onnx.external-location", 65);
  EXPECT_REFUSED(readEntries({{"location", ""}}), "onnx.external-location", 65);
  EXPECT_REFUSED(readEntries({{"location", std::string("w.bin\0x", 7)}}),
                 "onnx.external-location", 65);
  EXPECT_REFUSED(readEntries({{"location", std::string(5000, 'a')}}),
                 "onnx.external-location", 65);
  EXPECT_REFUSED(readEntries({{"location", "w.bin"}, {"location", "w.bin"}}),
                 "onnx.external-location", 65);
  for (const char *path :
       {"../outside/w.bin", "none/../../outside/w.bin", "sub/..", "..",
        "/etc/passwd", "/dev/zero", "sub/../w.bin"})
    EXPECT_REFUSED(readEntries({{"location", path}}), "onnx.external-path", 77);
  EXPECT_REFUSED(readEntries({{"location", "missing.bin"}}), "io.missing-file",
                 66);
  EXPECT_REFUSED(readEntries({{"location", "missing/w.bin"}}),
                 "io.missing-file", 66);
  EXPECT_REFUSED(readEntries({{"location", "w.bin/w.bin"}}), "io.missing-file",
                 66);
  // A model that came from memory has no folder.
  EXPECT_REFUSED(read(model({{"location", "w.bin"}})), "onnx.external-path",
                 77);
}

TEST_F(External, LinksAndSpecialFiles) {
  fs::create_symlink(root / "outside" / "w.bin", folder / "link.bin");
  fs::create_directory_symlink(root / "outside", folder / "linked");
  fs::create_symlink("w.bin",
                     folder / "inner.bin"); // stays inside: still a link
  fs::create_hard_link(folder / "w.bin", folder / "hard.bin");
  ASSERT_EQ(mkfifo((folder / "fifo").c_str(), 0600), 0);
  for (OpenMethod method : kMethods) {
    EXPECT_REFUSED(map("link.bin", method), "onnx.external-symlink", 77);
    EXPECT_REFUSED(map("linked/w.bin", method), "onnx.external-symlink", 77);
    EXPECT_REFUSED(map("inner.bin", method), "onnx.external-symlink", 77);
    EXPECT_REFUSED(map("hard.bin", method), "onnx.external-hard-link", 77);
    EXPECT_REFUSED(map("fifo", method), "onnx.external-not-a-file", 77);
    EXPECT_REFUSED(map("sub", method), "onnx.external-not-a-file", 77);
    EXPECT_REFUSED(map("sub/", method), "onnx.external-not-a-file", 77);
    EXPECT_REFUSED(map("none/w.bin", method), "io.missing-file", 66);
    EXPECT_REFUSED(map("w.bin/x", method), "io.missing-file", 66);
    Result<MappedFile> file = map("sub/w.bin", method);
    ASSERT_READS(file);
    EXPECT_EQ(file->bytes().size(), 16u);
  }
}

TEST_F(External, ATrustRootWidensOnPurpose) {
  fs::create_symlink(root / "outside" / "w.bin", folder / "link.bin");
  fs::create_symlink("/etc/passwd", folder / "passwd");
  fs::create_symlink("/dev/zero", folder / "zero");
  fs::create_hard_link(folder / "w.bin", folder / "hard.bin");
  fs::create_directories(root / "outside-too");
  write(root / "outside-too" / "w.bin", "x");
  fs::create_symlink(root / "outside-too" / "w.bin", folder / "prefix.bin");
  std::string outside = (root / "outside").string();
  for (OpenMethod method : kMethods) {
    EXPECT_READS(map("link.bin", method, outside));
    EXPECT_READS(map("hard.bin", method, root.string()));
    EXPECT_REFUSED(map("hard.bin", method, outside), "onnx.external-path", 77);
    EXPECT_REFUSED(map("passwd", method, outside), "onnx.external-path", 77);
    EXPECT_REFUSED(map("prefix.bin", method, outside), "onnx.external-path",
                   77);
    EXPECT_REFUSED(map("zero", method, "/dev"), "onnx.external-not-a-file", 77);
    EXPECT_REFUSED(map("../outside/w.bin", method, outside),
                   "onnx.external-path", 77);
    EXPECT_REFUSED(map("link.bin", method, (root / "none").string()),
                   "io.missing-file", 66);
  }
  EXPECT_READS(readEntries({{"location", "link.bin"}}, 4, outside));
}

TEST_F(External, PointersOfGitLfsAreNamed) {
  write(folder / "w.bin",
        "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 16\n");
  Result<Model> result = readEntries({{"location", "w.bin"}});
  EXPECT_REFUSED(result, "onnx.external-length", 65);
  EXPECT_NE(result.errors()[0].hint.find("git lfs pull"), std::string::npos);
}

TEST_F(External, SparseValuesAndAttributesUseTheSameDoor) {
  pb::ModelProto proto = emptyModel();
  pb::NodeProto &constant = *proto.mutable_graph()->add_node();
  constant = node("Constant", {}, {"y"});
  pb::AttributeProto &attribute = *constant.add_attribute();
  attribute.set_name("sparse_value");
  attribute.set_type(pb::AttributeProto::SPARSE_TENSOR);
  attribute.mutable_sparse_tensor()->add_dims(4);
  pb::TensorProto w =
      model({{"location", "/etc/passwd"}}).graph().initializer(0);
  *attribute.mutable_sparse_tensor()->mutable_values() = w;
  EXPECT_REFUSED(read(proto, {}, folder.string()), "onnx.external-path", 77);
}

TEST_F(External, TypedDataBesideExternalData) {
  pb::ModelProto proto = model({{"location", "w.bin"}});
  proto.mutable_graph()->mutable_initializer(0)->set_raw_data(
      "0123456789abcdef");
  EXPECT_REFUSED(read(proto, {}, folder.string()), "onnx.two-data-fields", 65);
}

TEST_F(External, ModelFiles) {
  EXPECT_REFUSED(readModel((folder / "none.onnx").string()), "io.missing-file",
                 66);
  EXPECT_REFUSED(readModel((folder / "w.bin" / "m.onnx").string()),
                 "io.missing-file", 66);
  EXPECT_REFUSED(readModel(folder.string()), "io.not-a-file", 74);
  EXPECT_REFUSED(readModel("/dev/zero"), "io.not-a-file", 74);
  std::string bytes = model({{"location", "w.bin"}}).SerializeAsString();
  write(folder / "m.onnx", bytes);
  Result<Model> result = readModel((folder / "m.onnx").string());
  ASSERT_READS(result);
  EXPECT_EQ(result->localDir, folder.string());
  // A model may itself be a link; its data lie beside the link.
  write(root / "blob", bytes);
  fs::create_symlink(root / "blob", folder / "linked.onnx");
  EXPECT_READS(readModel((folder / "linked.onnx").string()));
  ReadOptions options;
  options.limits.fileBytes = 10;
  EXPECT_REFUSED(readModel((folder / "m.onnx").string(), options),
                 "onnx.file-too-large", 65);
}
