// table: rows of words as people read them in a terminal, or as Markdown. The first row holds the names of columns.
#pragma once

#include <algorithm>
#include <cstddef>
#include <iomanip>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include <regnet/design/stages.hpp>

inline std::string fixed(double value, int digits) {
  std::ostringstream out;
  out << std::fixed << std::setprecision(digits) << value;
  return out.str();
}

// "2 6 15 2"
inline std::string joined(const std::vector<int>& values) {
  std::string out;
  for (const int value : values) out += (out.empty() ? "" : " ") + std::to_string(value);
  return out;
}

inline std::vector<int> each_stage(const std::vector<regnet::Stage>& stages, int regnet::Stage::*member) {
  std::vector<int> values;
  for (const regnet::Stage& stage : stages) values.push_back(stage.*member);
  return values;
}

using Cells = std::vector<std::string>;

// Columns from `first_number` on are numbers, which stand right.
inline void print_aligned(const std::vector<Cells>& table, std::size_t first_number) {
  std::vector<std::size_t> widths(table[0].size(), 0);
  for (const Cells& cells : table)
    for (std::size_t i = 0; i < cells.size(); ++i) widths[i] = std::max(widths[i], cells[i].size());
  for (const Cells& cells : table) {
    for (std::size_t i = 0; i < cells.size(); ++i)
      std::cout << (i ? "  " : "") << (i < first_number ? std::left : std::right) << std::setw(static_cast<int>(widths[i])) << cells[i];
    std::cout << '\n';
  }
}

inline void print_markdown(const std::vector<Cells>& table, std::size_t first_number) {
  for (std::size_t row = 0; row < table.size(); ++row) {
    for (const std::string& cell : table[row]) std::cout << "| " << cell << ' ';
    std::cout << "|\n";
    if (row > 0) continue;
    for (std::size_t i = 0; i < table[0].size(); ++i) std::cout << (i < first_number ? "|---" : "|--:");
    std::cout << "|\n";
  }
}
