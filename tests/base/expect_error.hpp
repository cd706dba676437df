// EXPECT_REGNET_ERROR(statement, code, "part"): the statement throws Error{code} whose one-line message contains the part.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include <regnet/base/error.hpp>

#define EXPECT_REGNET_ERROR(statement, expected_code, part)                                       \
  do {                                                                                            \
    try {                                                                                         \
      statement;                                                                                  \
      ADD_FAILURE() << #statement << " threw nothing";                                            \
    } catch (const regnet::Error& error) {                                                        \
      EXPECT_EQ(static_cast<int>(error.code()), static_cast<int>(expected_code)) << error.what(); \
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();         \
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << "more than one line"; \
    }                                                                                             \
  } while (false)
