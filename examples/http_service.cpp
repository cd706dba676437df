// A network behind HTTP: POST /classify with the bytes of a JPEG or PNG file answers its five likeliest classes as JSON; GET /healthz; GET /metrics.
// examples/load_test.sh puts it under load and holds its counts and answers against those of the client.
//
// Two kinds of threads. Connection threads wait: for bytes, and for an answer. Workers compute, one per core, each with a session of one thread. Between them is a queue of
// bounded length, so that what cannot be answered soon is refused at once, however many connections there are.
#include <atomic>
#include <chrono>
#include <csignal>
#include <exception>
#include <future>
#include <iostream>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <httplib.h>
#include <unistd.h>

#include <regnet/base/threads.hpp>
#include <regnet/regnet.hpp>

#include "http_service/answers.hpp"
#include "http_service/connections.hpp"
#include "http_service/metrics.hpp"
#include "http_service/queue.hpp"

namespace {

struct Options {
  std::string host = "127.0.0.1";
  int port = 8080;  // 0: any that is free
  int workers = regnet::default_threads().count;
  int queue = 64;         // pictures that wait for a worker
  int connections = 256;  // open at a time; later ones wait in the kernel
  int timeout_ms = 5000;  // from a request's headers to its answer
  int max_bytes = 8 << 20;
};

class Service {
 public:
  Service(const regnet::Model& model, const Options& options) : x_model(model), x_options(options), x_queue(options.queue) {
    x_server.new_task_queue = [this] { return new Connections(x_options.connections); };
    x_server.set_read_timeout(std::chrono::milliseconds(x_options.timeout_ms));
    x_server.set_keep_alive_max_count(1'000'000);  // httplib's 5 would make clients connect all the time
    x_server.set_tcp_nodelay(true);                // headers and body are two writes, and the second would wait for the first one's acknowledgement
    // httplib's own options would let a second service take the same port and half of the requests.
    x_server.set_socket_options([this](socket_t listener) {
      const int yes = 1;
      ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
      x_listener = listener;
    });
    x_server.Post("/classify", [this](const httplib::Request& request, httplib::Response& response, const httplib::ContentReader& read_body) {
      classify(request, response, read_body);
    });
    x_server.Get("/healthz", [this](const httplib::Request&, httplib::Response& response) {
      response.status = x_stopping ? 503 : 200;
      response.set_content(x_stopping ? "stopping\n" : "ok\n", "text/plain");
    });
    x_server.Get("/metrics", [this](const httplib::Request&, httplib::Response& response) {
      response.set_content(x_metrics.text(x_queue.depth()), "text/plain; version=0.0.4");
    });
    x_server.set_error_handler([](const httplib::Request&, httplib::Response& response) {
      if (response.has_header("Content-Type")) return;  // has its message already
      answer_error(response, response.status,
                   response.status == 404 ? "expected POST /classify, GET /healthz or GET /metrics" : "not an HTTP request");
    });
    x_server.set_exception_handler([](const httplib::Request&, httplib::Response& response, const std::exception_ptr&) {
      answer_error(response, 500, "out of memory or another internal error");
    });
    // Every answer comes through here, those of httplib too.
    x_server.set_post_routing_handler([this](const httplib::Request& request, httplib::Response& response) {
      if (request.path == "/classify") x_metrics.answered(response.status);
      if (request.has_header("X-Request-Id")) response.set_header("X-Request-Id", request.get_header_value("X-Request-Id"));
      response.headers.erase("Keep-Alive");
      if (x_stopping) response.set_header("Connection", "close");
    });
  }

  // Returns the port. Throws io when it cannot be had.
  int bind() {
    const bool any = x_options.port == 0;
    const int port = any ? x_server.bind_to_any_port(x_options.host) : x_options.port;
    if (port < 0 || (!any && !x_server.bind_to_port(x_options.host, port)))
      regnet::fail(regnet::Code::io, "cannot listen on ", x_options.host, ':', x_options.port);
    ::listen(x_listener, 1024);  // httplib asks for a backlog of 5, and who finds it full tries again only after a second
    return port;
  }

  // Returns after stop, when every request that had come has its answer.
  void serve() {
    std::vector<std::jthread> workers;
    for (int i = 0; i < x_options.workers; ++i) workers.emplace_back([this] { work(); });
    x_server.listen_after_bind();  // joins the connection threads, and these wait for the workers
    x_ended = true;
    x_queue.close();
  }

  void stop() {
    x_stopping = true;
    while (!x_server.is_running() && !x_ended) std::this_thread::sleep_for(std::chrono::milliseconds(1));  // httplib does not hear it before
    x_server.stop();
  }

 private:
  void work() {
    regnet::Session session(x_model.plan, {.threads = 1});
    while (std::optional<Job> job = x_queue.pop()) {
      if (Clock::now() >= job->deadline) continue;  // nobody waits for it any more
      try {
        const regnet::Image image = regnet::decode_image(std::as_bytes(std::span(job->picture)));
        job->answer.set_value(to_json(regnet::classify(x_model, session, image, 5)));
      } catch (...) {
        job->answer.set_exception(std::current_exception());
      }
    }
  }

  void classify(const httplib::Request& request, httplib::Response& response, const httplib::ContentReader& read_body) {
    const Clock::time_point start = Clock::now(), deadline = start + std::chrono::milliseconds(x_options.timeout_ms);
    // httplib would unpack compressed bodies here, outside the workers, and cannot read forms in this way.
    if (request.is_multipart_form_data() || request.has_header("Content-Encoding"))
      return answer_error_and_close(response, 415, "expected the bytes of an image file as the body, as curl --data-binary sends them");
    if (!request.has_header("Content-Length") && !request.has_header("Transfer-Encoding"))
      return answer_error_and_close(response, 411, "expected a Content-Length");

    std::string picture;
    bool too_large = false;
    const bool whole = read_body([&](const char* data, std::size_t size) {
      too_large = too_large || size > static_cast<std::size_t>(x_options.max_bytes) - picture.size();
      if (too_large) picture = {};  // the rest is read and dropped, since most clients listen only after they have sent all
      else picture.append(data, size);
      return Clock::now() < deadline;
    });
    if (!whole && Clock::now() < deadline) return answer_error_and_close(response, 400, "the body is not complete");
    if (!whole) return answer_error_and_close(response, 408, regnet::text("the body was not there after ", x_options.timeout_ms, " ms"));
    if (too_large) return answer_error(response, 413, regnet::text("expected at most ", x_options.max_bytes, " bytes"));

    Job job{std::move(picture), deadline, {}};
    std::future<std::string> answer = job.answer.get_future();
    if (!x_queue.push(std::move(job))) {
      response.set_header("Retry-After", "1");
      return answer_error(response, 503, regnet::text(x_options.queue, " pictures are waiting already"));
    }
    if (answer.wait_until(deadline) != std::future_status::ready || Clock::now() >= deadline)
      return answer_error(response, 504, regnet::text("no answer after ", x_options.timeout_ms, " ms"));
    try {
      response.set_content(answer.get(), "application/json");
      x_metrics.took(std::chrono::duration<double>(Clock::now() - start).count());
    } catch (const regnet::Error& error) {
      const bool of_the_picture = error.code() == regnet::Code::bad_format || error.code() == regnet::Code::unsupported;
      answer_error(response, of_the_picture ? 400 : 500, error.what());
    }
  }

  const regnet::Model& x_model;
  const Options x_options;
  Queue x_queue;
  Metrics x_metrics;
  std::atomic<bool> x_stopping = false, x_ended = false;
  socket_t x_listener = INVALID_SOCKET;
  httplib::Server x_server;
};

Options parse(int argc, char** argv) {
  Options options;
  const std::map<std::string, int*> numbers{{"--port", &options.port},
                                            {"--workers", &options.workers},
                                            {"--queue", &options.queue},
                                            {"--connections", &options.connections},
                                            {"--timeout-ms", &options.timeout_ms},
                                            {"--max-bytes", &options.max_bytes}};
  for (int i = 2; i < argc; i += 2) {
    const std::string name = argv[i], value = i + 1 < argc ? argv[i + 1] : "";
    const auto number = numbers.find(name);
    if (name == "--host") options.host = value;
    else if (number == numbers.end() || value.empty() || value.size() > 9 || value.find_first_not_of("0123456789") != std::string::npos)
      regnet::fail(regnet::Code::invalid_argument, name,
                   ": expected --host, --port, --workers, --queue, --connections, --timeout-ms or --max-bytes and a number");
    else *number->second = std::stoi(value);
    if (number != numbers.end() && *number->second < (name == "--port" ? 0 : 1))
      regnet::fail(regnet::Code::invalid_argument, name, ": expected a number above 0");
  }
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::cerr << "usage: http_service WEIGHTS [--host H] [--port N] [--workers N] [--queue N] [--connections N] [--timeout-ms N] [--max-bytes N]\n";
    return 2;
  }
  // Blocked before any thread begins, so that all of them inherit it and only sigwait sees the signal.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  try {
    const Options options = parse(argc, argv);
    regnet::LoadOptions loading;
    loading.compile.expected.threads = 1;
    const regnet::Model model = regnet::load_model(argv[1], loading);
    Service service(model, options);
    const int port = service.bind();
    std::cout << "listening on " << options.host << ':' << port << std::endl;
    std::jthread serving([&] {
      service.serve();
      ::kill(::getpid(), SIGTERM);  // for the case that it ended by itself
    });
    int signal = 0;
    sigwait(&signals, &signal);
    service.stop();
    serving.join();
    std::cout << "stopped" << std::endl;
  } catch (const std::exception& error) {
    std::cerr << "http_service: " << error.what() << '\n';
    return 2;
  }
}
