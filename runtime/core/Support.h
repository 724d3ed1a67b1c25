//===- Support.h - What the runtime uses instead of a C++ library --*- C++ -*-===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A vector and a string on malloc whose growth can fail without an exception,
// a status helper, checked arithmetic and whole-file reading. Nothing here
// needs libstdc++ at link time. Tested by test/runtime/ValueTest.cpp.
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_RUNTIME_CORE_SUPPORT_H
#define SMELT_RUNTIME_CORE_SUPPORT_H

#include "runtime/include/smelt.h"
#include <new>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <utility>

namespace smelt::rt {

/// Fills `err` (when given) and returns `code`.
__attribute__((format(printf, 3, 4))) int fail(smelt_error *err, int code, const char *format, ...);
/// The common case of memory that could not be had.
int failMemory(smelt_error *err, uint64_t bytes, const char *what);

[[nodiscard]] inline bool addOverflows(int64_t a, int64_t b, int64_t &r) {
  return __builtin_add_overflow(a, b, &r);
}
[[nodiscard]] inline bool mulOverflows(int64_t a, int64_t b, int64_t &r) {
  return __builtin_mul_overflow(a, b, &r);
}

/// A growable array. Every operation that may allocate says whether it could.
template <typename T> class Vec {
public:
  Vec() = default;
  Vec(const Vec &) = delete;
  Vec &operator=(const Vec &) = delete;
  Vec(Vec &&other) noexcept
      : items(std::exchange(other.items, nullptr)), count(std::exchange(other.count, 0)),
        capacity(std::exchange(other.capacity, 0)) {}
  Vec &operator=(Vec &&other) noexcept {
    if (this != &other) {
      reset();
      items = std::exchange(other.items, nullptr);
      count = std::exchange(other.count, 0);
      capacity = std::exchange(other.capacity, 0);
    }
    return *this;
  }
  ~Vec() { reset(); }

  [[nodiscard]] bool reserve(size_t wanted) {
    if (wanted <= capacity)
      return true;
    size_t bytes;
    if (__builtin_mul_overflow(wanted, sizeof(T), &bytes))
      return false;
    T *grown = static_cast<T *>(malloc(bytes));
    if (!grown)
      return false;
    for (size_t i = 0; i < count; ++i) {
      new (&grown[i]) T(std::move(items[i]));
      items[i].~T();
    }
    free(items);
    items = grown;
    capacity = wanted;
    return true;
  }
  /// New items are value-initialised.
  [[nodiscard]] bool resize(size_t wanted) {
    if (!reserve(wanted))
      return false;
    while (count > wanted)
      items[--count].~T();
    for (; count < wanted; ++count)
      new (&items[count]) T();
    return true;
  }
  /// Room for `more` items, growing by doubling.
  [[nodiscard]] bool grow(size_t more) {
    if (more > SIZE_MAX / 4)
      return false;
    size_t wanted = count + more, doubled = capacity ? capacity * 2 : 8;
    return wanted <= capacity || reserve(wanted > doubled ? wanted : doubled);
  }
  [[nodiscard]] bool push(T item) {
    if (!grow(1))
      return false;
    new (&items[count++]) T(std::move(item));
    return true;
  }
  /// Appends plain items.
  [[nodiscard]] bool append(const T *from, size_t n) {
    static_assert(__is_trivially_copyable(T));
    if (!grow(n))
      return false;
    if (n)
      memcpy(static_cast<void *>(items + count), from, n * sizeof(T));
    count += n;
    return true;
  }
  void pop() { items[--count].~T(); }
  void clear() {
    while (count)
      pop();
  }
  void reset() {
    clear();
    free(items);
    items = nullptr;
    capacity = 0;
  }

  size_t size() const { return count; }
  bool empty() const { return count == 0; }
  T *data() { return items; }
  const T *data() const { return items; }
  T &operator[](size_t i) { return items[i]; }
  const T &operator[](size_t i) const { return items[i]; }
  T &back() { return items[count - 1]; }
  T *begin() { return items; }
  T *end() { return items + count; }
  const T *begin() const { return items; }
  const T *end() const { return items + count; }

private:
  T *items = nullptr;
  size_t count = 0, capacity = 0;
};

/// Text, always NUL-terminated.
class String {
public:
  const char *c_str() const { return bytes.empty() ? "" : bytes.data(); }
  size_t size() const { return bytes.empty() ? 0 : bytes.size() - 1; }
  bool empty() const { return size() == 0; }
  void clear() { bytes.clear(); }
  /// Whether any append since the beginning found no memory: for those who
  /// write a long text and look once.
  bool failed() const { return hasFailed; }
  [[nodiscard]] bool append(const char *text, size_t size);
  [[nodiscard]] bool append(const char *text) { return append(text, strlen(text)); }
  [[nodiscard]] bool assign(const char *text, size_t size) {
    clear();
    return append(text, size);
  }
  [[nodiscard]] bool assign(const char *text) { return assign(text, strlen(text)); }
  __attribute__((format(printf, 2, 3))) bool appendf(const char *format, ...);
  bool operator==(const char *text) const { return strcmp(c_str(), text) == 0; }

private:
  Vec<char> bytes;
  bool hasFailed = false;
};

/// Calls `f` when the scope ends.
template <typename F> class Defer {
public:
  explicit Defer(F f) : f(f) {}
  ~Defer() { f(); }
  Defer(const Defer &) = delete;

private:
  F f;
};

/// `new T` and `delete` without the global operators, which are the program's.
template <typename T, typename... Args> T *create(Args &&...args) {
  void *memory = malloc(sizeof(T));
  return memory ? new (memory) T(std::forward<Args>(args)...) : nullptr;
}
template <typename T> void destroy(T *object) {
  if (!object)
    return;
  object->~T();
  free(object);
}

uint64_t nowNanoseconds();

} // namespace smelt::rt

#endif // SMELT_RUNTIME_CORE_SUPPORT_H
