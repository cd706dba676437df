// consumer WEIGHTS IMAGE: classifies the image, also from within an OpenMP region of its own when it is compiled with OpenMP, and catches an Error across the library's border.
// A second OpenMP runtime must be reported.
#include <algorithm>
#include <iostream>
#include <string>
#include <vector>

#include <regnet/regnet.hpp>

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  try {
    regnet::load_model("/no/such/file");
    std::cerr << "a file that does not exist was loaded\n";
    return 1;
  } catch (const regnet::Error& error) {
    if (error.code() != regnet::Code::not_found) return 1;
  }
  const regnet::Model model = regnet::load_model(argv[1]);
  const regnet::Image image = regnet::load_image(argv[2]);
  for (const regnet::Backend backend : {regnet::Backend::own, regnet::Backend::onednn}) {
    const regnet::Model other = regnet::load_model(argv[1], {.compile = {.backend = backend}});
    std::vector<std::string> answers(4);
#pragma omp parallel for num_threads(2)
    for (int i = 0; i < 4; ++i) {
      regnet::Session session(other.plan, {.batch = 1, .threads = 1 + i % 2});
      answers[static_cast<std::size_t>(i)] = regnet::classify(other, session, image, 1).at(0).name;
    }
    for (const std::string& answer : answers) std::cout << answer << '\n';
    const bool two = backend == regnet::Backend::onednn && regnet::openmp_runtimes().size() > 1;
    const bool reported = std::any_of(other.warnings.begin(), other.warnings.end(),
                                      [](const std::string& line) { return line.starts_with("several OpenMP runtimes are loaded, "); });
    if (reported != two) return 1;
    if (two) std::cerr << other.warnings.back() << '\n';
  }
  regnet::Session session(model.plan);
  std::cout << regnet::classify(model, session, image, 1).at(0).name << '\n';
}
