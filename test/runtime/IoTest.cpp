//===- IoTest.cpp - Readers and writers of tensors in files ---------------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Every format: round trips, what other programs write (bytes spelled out),
// and refusals with their messages. files.py does the same with NumPy and ONNX.
//
//===----------------------------------------------------------------------===//
#include "Files.h"
#include <cmath>
#include <sys/stat.h>
#include <unistd.h>

using namespace smelt::test;

namespace {

TEST(Npy, RoundTripsEveryDType) {
  for (int d = 1; d <= 26; ++d) {
    auto dtype = static_cast<DType>(d);
    ValueRef v = sample(dtype, {2, 3});
    Bytes bytes;
    smelt_error err{};
    ASSERT_EQ(writeNpy(*v.get(), bytes, &err), SMELT_OK) << err.message;
    EXPECT_EQ((bytes[8] + 10) % 64, 0) << "the data are aligned";
    ValueRef back;
    ASSERT_EQ(readNpy(spanOf(bytes), back, &err), SMELT_OK) << name(dtype) << ": " << err.message;
    if (back->dtype == dtype) {
      expectSame(*back.get(), *v.get());
      continue;
    }
    // What NumPy does not know is widened, and loses nothing.
    EXPECT_TRUE(back->dtype == DType::F32 || back->dtype == DType::I8 || back->dtype == DType::U8) << name(dtype);
    for (size_t i = 0; i < 6; ++i)
      EXPECT_EQ(loadDouble(back->dtype, back->data, i), loadDouble(dtype, v->data, i));
  }
}

TEST(Npy, ReadsFortranOrderAndEmptyShapes) {
  auto file = [](const std::string &header, const std::string &data) {
    std::string text = "\x93NUMPY";
    text += '\1';
    text += '\0';
    text += static_cast<char>(header.size());
    text += '\0';
    return text + header + data;
  };
  ValueRef v;
  smelt_error err{};
  std::string six("\0\1\2\3\4\5", 6);
  ASSERT_EQ(readNpy(span(file("{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3), }\n", six)), v, &err), SMELT_OK) << err.message;
  uint8_t wanted[] = {0, 2, 4, 1, 3, 5};
  EXPECT_EQ(memcmp(v->data, wanted, 6), 0);
  ASSERT_EQ(readNpy(span(file("{'shape': (), 'fortran_order': False, 'descr': '<i2'}", "\7")), v, &err), SMELT_BAD_DATA);
  ASSERT_EQ(readNpy(span(file("{'shape': (), 'fortran_order': False, 'descr': '<i2'}", std::string("\7\0", 2))), v, &err), SMELT_OK);
  EXPECT_EQ(v->rank, 0);
  ASSERT_EQ(readNpy(span(file("{\"shape\": (0,), \"fortran_order\": False, \"descr\": \"<f8\"}", "")), v, &err), SMELT_OK) << err.message;
  EXPECT_EQ(smelt_value_count(v.get()), 0u);
  EXPECT_EQ(readNpy(span(file("{'shape': (1,), 'fortran_order': False, 'descr': '>f4'}", "1234")), v, &err), SMELT_UNSUPPORTED);
  EXPECT_STREQ(err.message, "the .npy file is big-endian ('>f4'), little-endian is wanted");
  EXPECT_EQ(readNpy(span(file("{'shape': (1,), 'fortran_order': False, 'descr': '|O'}", "12345678")), v, &err), SMELT_UNSUPPORTED);
  for (const char *header : {"", "{}", "{'shape': (1,), 'descr': '<f4'}", "{'shape': (1,, 'fortran_order': False, 'descr': '<f4'}",
                             "{'shape': (1,), 'fortran_order': False, 'descr': '<f4'} x",
                             "{'shape': (1,), 'shape': (1,), 'fortran_order': False, 'descr': '<f4'}",
                             "{'shape': (99999999999999999999,), 'fortran_order': False, 'descr': '<f4'}"}) {
    EXPECT_EQ(readNpy(span(file(header, "1234")), v, &err), SMELT_BAD_DATA) << header;
    EXPECT_NE(std::string(err.message).find("no valid header"), std::string::npos) << err.message;
  }
  EXPECT_EQ(readNpy(span(file("{'shape': (1099511627776,), 'fortran_order': False, 'descr': '<f8'}", "1234")), v, &err), SMELT_BAD_DATA);
  EXPECT_NE(std::string(err.message).find("which is not 1099511627776 of f64"), std::string::npos) << err.message;
}

TEST(Npy, Strings) {
  int64_t dims[] = {3};
  const char *texts[] = {"", "aé€😀", "x"};
  ValueRef v(smelt_value_create_strings(1, dims, texts, nullptr));
  Bytes bytes;
  ASSERT_EQ(writeNpy(*v.get(), bytes, nullptr), SMELT_OK);
  ValueRef back;
  smelt_error err{};
  ASSERT_EQ(readNpy(spanOf(bytes), back, &err), SMELT_OK) << err.message;
  expectSame(*back.get(), *v.get());
}

NamedValues several() {
  NamedValues values;
  int n = 0;
  for (DType dtype : {DType::F32, DType::I64, DType::Bool, DType::F16}) {
    NamedValue v;
    EXPECT_TRUE(v.name.appendf("name %d", n++));
    v.value = sample(dtype, {n, 2});
    EXPECT_TRUE(values.push(std::move(v)));
  }
  return values;
}

TEST(Npz, RoundTrip) {
  NamedValues values = several(), back;
  Bytes bytes;
  smelt_error err{};
  ASSERT_EQ(writeNpz(values, bytes, &err), SMELT_OK) << err.message;
  ASSERT_EQ(readNpz(spanOf(bytes), back, &err), SMELT_OK) << err.message;
  ASSERT_EQ(back.size(), values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    EXPECT_STREQ(back[i].name.c_str(), values[i].name.c_str());
    expectSame(*back[i].value.get(), *values[i].value.get());
  }
  bytes[170] ^= 1; // in the first member's data
  EXPECT_EQ(readNpz(spanOf(bytes), back, &err), SMELT_BAD_DATA);
  EXPECT_STREQ(err.message, "the checksum of the member 'name 0.npy' is wrong");
  Bytes none;
  ASSERT_EQ(writeNpz(NamedValues(), none, &err), SMELT_OK);
  NamedValues empty;
  EXPECT_EQ(readNpz(spanOf(none), empty, &err), SMELT_OK) << err.message;
}

TEST(Safetensors, RoundTripAndLayout) {
  NamedValues values = several(), back;
  Bytes bytes;
  smelt_error err{};
  ASSERT_EQ(writeSafetensors(values, bytes, &err), SMELT_OK) << err.message;
  ASSERT_EQ(readSafetensors(spanOf(bytes), back, &err), SMELT_OK) << err.message;
  ASSERT_EQ(back.size(), values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    EXPECT_STREQ(back[i].name.c_str(), values[i].name.c_str());
    expectSame(*back[i].value.get(), *values[i].value.get());
  }
  auto read = [&](const std::string &header, size_t data) {
    uint64_t size = header.size();
    std::string text(reinterpret_cast<char *>(&size), 8);
    text += header + std::string(data, 'x');
    NamedValues got;
    int code = readSafetensors(span(text), got, &err);
    return std::to_string(code) + ": " + (code ? err.message : "");
  };
  const std::string a = R"("a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]})";
  EXPECT_EQ(read("{" + a + R"(,"__metadata__":{"k":"v\n"}})", 2), "0: ");
  EXPECT_EQ(read("{}", 0), "0: ");
  EXPECT_EQ(read("{" + a + "}", 3), "65: the tensors end at byte 2 of the data, which has 3");
  EXPECT_EQ(read("{" + a + "," + a + "}", 2), "65: the tensor 'a' is there twice");
  EXPECT_EQ(read("{" + a + R"(,"b":{"dtype":"U8","shape":[1],"data_offsets":[3,4]}})", 4),
            "65: the tensor 'b' is at 3..4, its beginning at 2 is wanted (no holes, no overlaps)");
  EXPECT_EQ(read("{" + a + R"(,"b":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})", 2),
            "65: the tensor 'b' is at 1..2, its beginning at 2 is wanted (no holes, no overlaps)");
  EXPECT_EQ(read(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,2]}})", 2), "65: the tensor 'a' has 2 bytes, which is not 2 of f32");
  EXPECT_EQ(read(R"({"a":{"dtype":"Q8","shape":[2],"data_offsets":[0,2]}})", 2), "69: the tensor 'a' has the dtype 'Q8', which is not read");
  EXPECT_EQ(read(R"({"a":{"dtype":"U8","shape":[2]}})", 2).substr(0, 3), "65:");
  EXPECT_EQ(read("{" + a, 2), "65: the safetensors header is malformed at byte 52: ',' or '}' is wanted");
  EXPECT_EQ(readSafetensors(span("\xff\xff\xff\xff\xff\xff\xff\x7f"), back, &err), SMELT_BAD_DATA);
}

/// Protobuf by hand.
struct Message {
  std::string text;
  Message &varint(uint64_t v) {
    for (; v >= 128; v >>= 7)
      text += static_cast<char>(v | 128);
    text += static_cast<char>(v);
    return *this;
  }
  Message &integer(uint32_t field, uint64_t v) { return varint(field << 3).varint(v); }
  Message &bytes(uint32_t field, const std::string &s) {
    varint(field << 3 | 2).varint(s.size());
    text += s;
    return *this;
  }
  Message &packed(uint32_t field, std::initializer_list<uint64_t> values) {
    Message inner;
    for (uint64_t v : values)
      inner.varint(v);
    return bytes(field, inner.text);
  }
};

NamedValue proto(const std::string &text, smelt_kind kind = SMELT_TENSOR) {
  NamedValue v;
  smelt_error err{};
  EXPECT_EQ(readProto(span(text), kind, v, &err), SMELT_OK) << err.message;
  return v;
}
std::string protoError(const std::string &text, int wanted, smelt_kind kind = SMELT_TENSOR) {
  NamedValue v;
  smelt_error err{};
  EXPECT_EQ(readProto(span(text), kind, v, &err), wanted) << err.message;
  return err.message;
}

TEST(Proto, RoundTripsEveryDType) {
  for (int d = 1; d <= 26; ++d) {
    ValueRef v = sample(static_cast<DType>(d), {5, 1});
    Bytes bytes;
    smelt_error err{};
    ASSERT_EQ(writeProto("it", *v.get(), bytes, &err), SMELT_OK) << err.message;
    NamedValue back;
    ASSERT_EQ(readProto(spanOf(bytes), SMELT_TENSOR, back, &err), SMELT_OK) << name(static_cast<DType>(d)) << err.message;
    EXPECT_STREQ(back.name.c_str(), "it");
    expectSame(*back.value.get(), *v.get());
  }
}

TEST(Proto, TypedFields) {
  // int32_data holds fp16, bf16, bool, int8 and packed 4-bit; packed or not.
  NamedValue v = proto(Message().integer(1, 2).integer(2, 10).packed(5, {0x3c00, 0xc000}).text);
  EXPECT_EQ(loadDouble(DType::F16, v.value->data, 0), 1);
  EXPECT_EQ(loadDouble(DType::F16, v.value->data, 1), -2);
  v = proto(Message().packed(1, {2}).integer(2, 16).integer(5, 0x3f80).integer(5, 0xc000).text);
  EXPECT_EQ(loadDouble(DType::BF16, v.value->data, 1), -2);
  v = proto(Message().packed(1, {3}).integer(2, 3).packed(5, {1, uint64_t(-1), uint64_t(-128)}).text);
  EXPECT_EQ(loadInt(DType::I8, v.value->data, 2), -128);
  v = proto(Message().packed(1, {3}).integer(2, 9).packed(5, {0, 1, 1}).text);
  EXPECT_EQ(loadInt(DType::Bool, v.value->data, 2), 1);
  v = proto(Message().packed(1, {3}).integer(2, 22).packed(5, {0x8f, 0x07}).text); // i4: -1 -8 7
  EXPECT_EQ(loadInt(DType::I4, v.value->data, 0), -1);
  EXPECT_EQ(loadInt(DType::I4, v.value->data, 1), -8);
  EXPECT_EQ(loadInt(DType::I4, v.value->data, 2), 7);
  v = proto(Message().packed(1, {3}).integer(2, 21).bytes(9, "\x8f\x07").text); // u4, raw
  EXPECT_EQ(loadInt(DType::U4, v.value->data, 0), 15);
  v = proto(Message().packed(1, {2}).integer(2, 7).packed(7, {uint64_t(-5), 6}).text);
  EXPECT_EQ(loadInt(DType::I64, v.value->data, 0), -5);
  v = proto(Message().packed(1, {1}).integer(2, 12).packed(11, {4000000000u}).text);
  EXPECT_EQ(loadInt(DType::U32, v.value->data, 0), 4000000000);
  float f[] = {1.5f, -2};
  v = proto(Message().packed(1, {1}).integer(2, 14).bytes(4, std::string(reinterpret_cast<char *>(f), 8)).text);
  EXPECT_EQ(memcmp(v.value->data, f, 8), 0); // one complex number
  double d = 3.25;
  v = proto(Message().integer(2, 11).bytes(10, std::string(reinterpret_cast<char *>(&d), 8)).text);
  EXPECT_EQ(*static_cast<double *>(v.value->data), 3.25);
  v = proto(Message().packed(1, {2}).integer(2, 8).bytes(6, "hello").bytes(6, "").text);
  EXPECT_STREQ(v.value->texts[0].c_str(), "hello");
  EXPECT_EQ(v.value->texts[1].size(), 0u);
}

TEST(Proto, SequencesMapsOptionals) {
  std::string tensor = Message().packed(1, {1}).integer(2, 1).bytes(9, "\0\0\x80\x3f" + std::string()).text;
  float one = 1;
  tensor = Message().packed(1, {1}).integer(2, 1).bytes(9, std::string(reinterpret_cast<char *>(&one), 4)).text;
  std::string map = Message().integer(2, 7).packed(3, {7, uint64_t(-9)}).bytes(5, Message().bytes(3, tensor).bytes(3, tensor).text).text;
  NamedValue v = proto(Message().bytes(1, "seq").bytes(6, map).bytes(6, map).text, SMELT_SEQUENCE);
  EXPECT_STREQ(v.name.c_str(), "seq");
  ASSERT_EQ(smelt_value_count(v.value.get()), 2u);
  const smelt_value *m = smelt_value_element(v.value.get(), 1);
  int64_t key;
  EXPECT_EQ(smelt_value_map_key_i64(m, 1, &key), SMELT_OK);
  EXPECT_EQ(key, -9);
  v = proto(Message().bytes(3, tensor).text, SMELT_OPTIONAL);
  EXPECT_EQ(smelt_value_count(v.value.get()), 1u);
  v = proto("", SMELT_OPTIONAL);
  EXPECT_EQ(smelt_value_count(v.value.get()), 0u);
  // Written and read again, with string keys.
  ValueRef named(smelt_value_create_map(SMELT_STRING));
  smelt_value_map_add_float(named.get(), "a", 1, 0.5f);
  Bytes bytes;
  ASSERT_EQ(writeProto("m", *named.get(), bytes, nullptr), SMELT_OK);
  v = NamedValue();
  ASSERT_EQ(readProto(spanOf(bytes), SMELT_MAP, v, nullptr), SMELT_OK);
  EXPECT_STREQ(smelt_value_map_key_string(v.value.get(), 0, nullptr), "a");
  float f = 0;
  EXPECT_EQ(smelt_value_map_float(v.value.get(), 0, &f), SMELT_OK);
  EXPECT_EQ(f, 0.5f);
}

TEST(Proto, Refusals) {
  EXPECT_EQ(protoError("", SMELT_BAD_DATA), "the tensor has no data_type");
  EXPECT_EQ(protoError(Message().integer(2, 99).text, SMELT_BAD_DATA), "the tensor has data_type 99, 1..26 are known");
  EXPECT_EQ(protoError(Message().packed(1, {4}).integer(2, 1).bytes(9, "123").text, SMELT_BAD_DATA),
            "the tensor's data has 3 bytes, 16 are wanted for 4 of f32");
  EXPECT_EQ(protoError(Message().packed(1, {2}).integer(2, 7).packed(7, {1}).text, SMELT_BAD_DATA),
            "the tensor's data has 1 elements, 2 are wanted for 2 of i64");
  EXPECT_NE(protoError(Message().packed(1, {uint64_t(-1)}).integer(2, 1).text, SMELT_BAD_DATA).find("each must be"), std::string::npos);
  EXPECT_NE(protoError(Message().packed(1, {uint64_t(1) << 40, uint64_t(1) << 40}).integer(2, 1).text, SMELT_BAD_DATA).find("each must be"), std::string::npos);
  EXPECT_NE(protoError(Message().packed(1, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}).integer(2, 1).text, SMELT_BAD_DATA).find("more than 16 dims"), std::string::npos);
  EXPECT_NE(protoError(Message().integer(2, 1).integer(14, 1).text, SMELT_REFUSED).find("another file"), std::string::npos);
  EXPECT_NE(protoError(Message().integer(2, 8).bytes(9, "abc").text, SMELT_BAD_DATA).find("strings in raw_data"), std::string::npos);
  EXPECT_NE(protoError("\x0a\x7f", SMELT_BAD_DATA).find("cut off or malformed"), std::string::npos);
  std::string nested;
  for (int i = 0; i < 50; ++i)
    nested = Message().bytes(5, nested).text;
  EXPECT_EQ(protoError(nested, SMELT_BAD_DATA, SMELT_SEQUENCE), "sequences are nested over 16 deep");
}

TEST(Text, Literals) {
  ValueRef v;
  smelt_error err{};
  ASSERT_EQ(readText("2x2xf32=1,2.5,-3e1,nan", v, &err), SMELT_OK) << err.message;
  EXPECT_EQ(v->rank, 2);
  EXPECT_EQ(loadDouble(DType::F32, v->data, 2), -30);
  EXPECT_TRUE(std::isnan(loadDouble(DType::F32, v->data, 3)));
  ASSERT_EQ(readText("i64=-7", v, &err), SMELT_OK) << err.message;
  EXPECT_EQ(v->rank, 0);
  EXPECT_EQ(loadInt(DType::I64, v->data, 0), -7);
  ASSERT_EQ(readText("1000xu8=255", v, &err), SMELT_OK) << err.message;
  EXPECT_EQ(loadInt(DType::U8, v->data, 999), 255);
  ASSERT_EQ(readText("2xbool=true,0", v, &err), SMELT_OK) << err.message;
  ASSERT_EQ(readText("2xstring=a b,", v, &err), SMELT_OK) << err.message;
  EXPECT_STREQ(v->texts[0].c_str(), "a b");
  EXPECT_STREQ(v->texts[1].c_str(), "");
  ASSERT_EQ(readText("2xstring=a", v, &err), SMELT_USAGE);
  ASSERT_EQ(readText("0xf32=", v, &err), SMELT_OK) << err.message;
  ASSERT_EQ(readText("u64=18446744073709551615", v, &err), SMELT_OK) << err.message;
  for (const char *bad : {"", "f32", "3xf32=1,2", "2xf32=1,2,3", "2xf32=1;2", "f31=1", "u8=256", "i8=-129", "i64=1.5", "f32=x",
                          "-1xf32=1", "99999999999999xf32=1", "1x1x1x1x1x1x1x1x1x1x1x1x1x1x1x1x1xf32=1", "f8E4M3FN=1"})
    EXPECT_EQ(readText(bad, v, &err), SMELT_USAGE) << bad;
  EXPECT_EQ(readText("2xf32=1", v, &err), SMELT_OK) << "one value fills all";
}

TEST(Files, AreWrittenAtOnceAndFoundByName) {
  Folder folder;
  NamedValues values = several(), back;
  smelt_error err{};
  for (const char *file : {"t.npz", "t.safetensors"}) {
    back.clear();
    ASSERT_EQ(saveFile(folder.path(file).c_str(), values, &err), SMELT_OK) << err.message;
    ASSERT_EQ(loadFile(folder.path(file).c_str(), SMELT_TENSOR, back, &err), SMELT_OK) << err.message;
    EXPECT_EQ(back.size(), values.size());
  }
  EXPECT_EQ(folder.count(), 2) << "no temporary file is left";
  EXPECT_EQ(saveFile(folder.path("t.npy").c_str(), values, &err), SMELT_USAGE);
  EXPECT_EQ(saveFile(folder.path("t.txt").c_str(), values, &err), SMELT_USAGE);
  EXPECT_EQ(saveFile(folder.path("none/t.npz").c_str(), values, &err), SMELT_CANNOT_WRITE);
  EXPECT_EQ(loadFile(folder.path("gone.npy").c_str(), SMELT_TENSOR, back, &err), SMELT_NO_FILE);
  EXPECT_NE(std::string(err.message).find("No such file"), std::string::npos);
  mkdir(folder.path("dir.npy").c_str(), 0777);
  EXPECT_EQ(loadFile(folder.path("dir.npy").c_str(), SMELT_TENSOR, back, &err), SMELT_BAD_DATA);
  rmdir(folder.path("dir.npy").c_str());
  folder.write("bad.npy", "hello");
  EXPECT_EQ(loadFile(folder.path("bad.npy").c_str(), SMELT_TENSOR, back, &err), SMELT_BAD_DATA);
  EXPECT_NE(std::string(err.message).find("bad.npy': not a .npy file"), std::string::npos) << err.message;
}

} // namespace
