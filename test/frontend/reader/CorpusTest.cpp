//===- CorpusTest.cpp - Real models and hostile files
//----------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// With SMELT_CORPUS set: every model reads; every hostile file ends with an
// exit code its EXPECTED.json allows, within 5 s and 384 MB. Those whose flaw
// is in an op are the importer's, and must read here.
//
//===----------------------------------------------------------------------===//
#include "Protos.h"

#include <nlohmann/json.hpp>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <set>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace smelt::onnx;
namespace fs = std::filesystem;

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SMELT_SLOW_MEMORY 1
#endif
#endif
#ifndef SMELT_SLOW_MEMORY
#define SMELT_SLOW_MEMORY 0
#endif

/// Cases that only an importer can refuse: what an op means.
static const std::set<std::string> kImporters = {"15_unknown_op",
                                                 "16_unknown_domain",
                                                 "17_opset_9999",
                                                 "40_conv_zero_stride",
                                                 "41_conv_negative_pad",
                                                 "42_conv_group_0",
                                                 "43_conv_rank_mismatch",
                                                 "44_transpose_bad_perm",
                                                 "45_transpose_dup_perm",
                                                 "46_concat_axis_oob",
                                                 "47_softmax_axis_min",
                                                 "48_reshape_two_minus_one",
                                                 "49_reshape_mismatch",
                                                 "4c_slice_step_zero",
                                                 "4d_pad_huge",
                                                 "4e_expand_huge",
                                                 "4f_constantofshape_huge",
                                                 "53_wrong_attr_type",
                                                 "54_missing_required_attr",
                                                 "55_too_many_inputs",
                                                 "56_too_few_inputs",
                                                 "57_dtype_mismatch_add",
                                                 "65_loop_body_arity_wrong",
                                                 "6b_resize_scale_nan"};

static const char *corpus() { return std::getenv("SMELT_CORPUS"); }

namespace {
struct Outcome {
  int exitCode = -1; // -1: ended by a signal
  double seconds = 0;
  long kilobytes = 0;
};
} // namespace

/// Reads in a child, so that a crash is an outcome and memory is its own.
static Outcome readInChild(const std::string &file) {
  auto start = std::chrono::steady_clock::now();
  pid_t child = fork();
  if (child == 0) {
    Result<Model> model = readModel(file);
    if (!model)
      std::fprintf(stderr, "%s", text(model).c_str());
    _exit(model.exitCode());
  }
  int status = 0;
  struct rusage usage = {};
  wait4(child, &status, 0, &usage);
  std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, time.count(),
          usage.ru_maxrss};
}

TEST(Corpus, HostileFilesEndAsDocumented) {
  if (!corpus())
    GTEST_SKIP() << "SMELT_CORPUS is not set";
  // A copy, since one case needs a symbolic link beside it.
  fs::path from = fs::path(corpus()) / "hostile";
  fs::path folder =
      fs::path(testing::TempDir()) / ("hostile-" + std::to_string(getpid()));
  fs::create_directory(folder);
  for (const fs::directory_entry &entry : fs::directory_iterator(from))
    fs::copy_file(entry.path(), folder / entry.path().filename());
  fs::create_symlink("/etc/passwd", folder / "link_to_passwd");

  nlohmann::json expected =
      nlohmann::json::parse(std::ifstream(from / "EXPECTED.json"));
  EXPECT_GE(expected.size(), 70u);
  for (const auto &[name, want] : expected.items()) {
    SCOPED_TRACE(name);
    Outcome outcome = readInChild((folder / (name + ".onnx")).string());
    std::set<int> allowed = want["exit"].get<std::set<int>>();
    if (kImporters.contains(name))
      EXPECT_EQ(outcome.exitCode, 0)
          << "the reader refuses what is the importer's";
    else
      EXPECT_TRUE(allowed.contains(outcome.exitCode))
          << "exit code " << outcome.exitCode;
    EXPECT_LT(outcome.seconds, 5);
    if (!SMELT_SLOW_MEMORY) {
      EXPECT_LT(outcome.kilobytes, 384 * 1024);
      if (name == "60_chain_50000") {
        EXPECT_LT(outcome.seconds, 1);
      }
    }
  }
  for (const std::string &name : kImporters)
    EXPECT_TRUE(expected.contains(name))
        << name << " is no case of EXPECTED.json";
  fs::remove_all(folder);
}

TEST(Corpus, HostileMessagesNameTheCause) {
  if (!corpus())
    GTEST_SKIP() << "SMELT_CORPUS is not set";
  std::string folder = std::string(corpus()) + "/hostile/";
  const std::pair<const char *, const char *> causes[] = {
      {"06_lfs_pointer", "git-lfs"},
      {"05_not_onnx_text", "HTML page"},
      {"01_empty_file", "empty"},
      {"11_undefined_input", "'nope'"},
      {"31_ext_mid_traversal", "'..'"},
      {"37_ext_dev_zero", "absolute"},
      {"62_nested_if_200", "100 deep"},
      {"63_recursive_function", "calls itself"},
      {"67_both_raw_and_float_data", "both"},
      {"25_huge_declared_input", "4611686018427387904"},
  };
  for (auto [name, cause] : causes) {
    Result<Model> model = readModel(folder + name + ".onnx");
    EXPECT_FALSE(bool(model)) << name;
    EXPECT_NE(text(model).find(cause), std::string::npos)
        << name << ": " << text(model);
  }
}

TEST(Corpus, EveryModelReads) {
  if (!corpus())
    GTEST_SKIP() << "SMELT_CORPUS is not set";
  int models = 0;
  for (const auto &entry :
       fs::recursive_directory_iterator(fs::path(corpus()) / "models")) {
    if (entry.path().extension() != ".onnx")
      continue;
    ++models;
    Result<Model> model = readModel(entry.path().string());
    EXPECT_READS(model);
    if (model) {
      EXPECT_FALSE(model->graph.nodes.empty());
      EXPECT_FALSE(model->graph.outputs.empty());
      EXPECT_TRUE(inlineFunctions(*model).empty());
    }
  }
  EXPECT_EQ(models, 51);
}
