// Design and graph by headers alone: prints the multiply-adds of RegNetX-400MF, as the paper counts them.
#include <iostream>

#include <regnet/design/zoo.hpp>
#include <regnet/graph/build.hpp>
#include <regnet/graph/complexity.hpp>

int main() {
  const regnet::Design design = regnet::find_design("regnetx_400mf");
  std::cout << regnet::complexity(regnet::build(design.stages, {})).macs << '\n';
}
