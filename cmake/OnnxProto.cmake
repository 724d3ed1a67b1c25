# smelt_onnx_proto: the ONNX format, compiled by protoc from the onnx-ml.proto
# that ships in the `onnx` Python package (`./dev setup` puts it into
# third_party/onnx/). It is proto2 and says LITE_RUNTIME itself, so only
# libprotobuf-lite is needed; protoc from 3.12 on accepts it as it is (tried
# with 3.21 and the proto of onnx 1.23). The generated code is never committed.
include_guard(GLOBAL)
find_package(Protobuf 3.12 REQUIRED)

set(SMELT_ONNX_PROTO "${CMAKE_SOURCE_DIR}/third_party/onnx/onnx-ml.proto"
    CACHE FILEPATH "onnx-ml.proto of the onnx Python package")
if(NOT EXISTS "${SMELT_ONNX_PROTO}")
  message(FATAL_ERROR "found no ${SMELT_ONNX_PROTO}; run ./dev setup, or set "
                      "SMELT_ONNX_PROTO to the onnx-ml.proto of an onnx package")
endif()

get_filename_component(_dir "${SMELT_ONNX_PROTO}" DIRECTORY)
get_filename_component(_stem "${SMELT_ONNX_PROTO}" NAME_WE)
set(_out "${CMAKE_BINARY_DIR}/onnx-proto")
file(MAKE_DIRECTORY "${_out}")
add_custom_command(
  OUTPUT "${_out}/${_stem}.pb.cc" "${_out}/${_stem}.pb.h"
  COMMAND protobuf::protoc "--proto_path=${_dir}" "--cpp_out=${_out}" "${SMELT_ONNX_PROTO}"
  DEPENDS "${SMELT_ONNX_PROTO}"
  COMMENT "protoc ${_stem}.proto")
add_library(smelt_onnx_proto STATIC "${_out}/${_stem}.pb.cc" "${_out}/${_stem}.pb.h")
target_include_directories(smelt_onnx_proto SYSTEM PUBLIC "${_out}")
target_compile_options(smelt_onnx_proto PRIVATE -w -fno-exceptions -fno-rtti)
target_link_libraries(smelt_onnx_proto PUBLIC protobuf::libprotobuf-lite)
