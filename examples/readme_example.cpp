#include <iostream>

#include <regnet/regnet.hpp>

int main(int, char** argv) {
  const regnet::Model model = regnet::load_model(argv[1]);  // recognises framework, network and preprocessing
  regnet::Session session(model.plan);                      // one per thread; the model is shared
  const regnet::Image image = regnet::load_image(argv[2]);
  for (const regnet::Prediction& p : regnet::classify(model, session, image, 5)) {
    std::cout << p.probability << ' ' << p.name << '\n';
  }
}
