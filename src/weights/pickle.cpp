#include "weights/pickle.hpp"

#include <bit>
#include <charconv>
#include <map>

#include <regnet/base/error.hpp>
#include <regnet/base/foreign_text.hpp>

#include "weights/byte_reader.hpp"

namespace regnet::pickle {

namespace {

// An opcode of one byte makes at most one value, of less than a hundred bytes with all that belongs to it, so this bounds the memory. A checkpoint of the
// largest RegNetX with optimizer and averaged weights has a hundred thousand; a list of a number per training step may have more.
constexpr std::size_t max_opcodes = 400'000;
constexpr std::size_t max_name_bytes = 256;

// Source: CPython's Lib/pickletools.py.
enum class Op : unsigned char {
  mark = '(',
  stop = '.',
  pop = '0',
  pop_mark = '1',
  dup = '2',
  float_line = 'F',
  int_line = 'I',
  binint = 'J',
  binint1 = 'K',
  binint2 = 'M',
  none = 'N',
  binpersid = 'Q',
  reduce = 'R',
  string_line = 'S',
  binstring = 'T',
  short_binstring = 'U',
  binunicode = 'X',
  append = 'a',
  build = 'b',
  global = 'c',
  dict = 'd',
  empty_dict = '}',
  appends = 'e',
  get_line = 'g',
  binget = 'h',
  long_binget = 'j',
  list = 'l',
  empty_list = ']',
  put_line = 'p',
  binput = 'q',
  long_binput = 'r',
  setitem = 's',
  tuple = 't',
  empty_tuple = ')',
  setitems = 'u',
  binfloat = 'G',
  proto = 0x80,
  newobj = 0x81,
  tuple1 = 0x85,
  tuple2 = 0x86,
  tuple3 = 0x87,
  newtrue = 0x88,
  newfalse = 0x89,
  long1 = 0x8a,
  long4 = 0x8b,
  binbytes = 'B',
  short_binbytes = 'C',
  short_binunicode = 0x8c,
  binunicode8 = 0x8d,
  binbytes8 = 0x8e,
  empty_set = 0x8f,
  additems = 0x90,
  frozenset = 0x91,
  stack_global = 0x93,
  memoize = 0x94,
  frame = 0x95
};

// Classes that only make containers; anything else that is called stays a Kind::call.
struct Container {
  std::string_view name;
  Kind kind;
};
constexpr Container containers[] = {{"collections.OrderedDict", Kind::dict}, {"builtins.set", Kind::set},          {"builtins.frozenset", Kind::set},
                                    {"__builtin__.set", Kind::set},          {"__builtin__.frozenset", Kind::set}, {"torch.Size", Kind::tuple}};

const Container* find_container(std::string_view name) {
  for (const Container& container : containers)
    if (container.name == name) return &container;
  return nullptr;
}

class Interpreter {
 public:
  Interpreter(std::span<const std::byte> bytes, std::size_t at, const std::string& what, Heap& heap) : x_reader(bytes, what, at), x_heap(heap) {}

  Program run() {
    for (std::size_t count = 0;; ++count) {
      x_op_at = x_reader.offset();
      if (count == max_opcodes) fail(Code::unsupported, x_reader.what(), ": a pickle of more than ", max_opcodes, " opcodes");
      const auto code = x_reader.little<unsigned char>();
      const auto op = static_cast<Op>(code);
      if (op == Op::stop) break;
      if (!push_constant(op) && !push_text(op) && !use_stack_or_memo(op) && !fill_container(op) && !make_object(op))
        refuse("opcode ", unsigned{code}, " is not one that a checkpoint needs");
    }
    if (x_stack.size() != 1) refuse("expected one value at the end, found ", x_stack.size());
    if (!x_marks.empty()) refuse("a mark on the stack at the end");
    x_program.result = x_stack.back();
    x_program.end = x_reader.offset();
    return std::move(x_program);
  }

 private:
  template <class... Parts>
  [[noreturn]] void refuse(const Parts&... parts) const {
    fail(Code::bad_format, x_reader.what(), " at byte ", x_op_at, ": ", parts...);
  }

  // The stack

  Value& push(Kind kind) {
    Value& value = x_heap.make(kind);
    x_stack.push_back(&value);
    return value;
  }

  void push_integer(std::int64_t integer, Kind kind = Kind::integer) { push(kind).integer = integer; }

  [[nodiscard]] std::size_t fence() const { return x_marks.empty() ? 0 : x_marks.back(); }

  Value& top() {
    if (x_stack.size() <= fence()) refuse("nothing on the stack");
    return *x_stack.back();
  }

  Value& pop() {
    Value& value = top();
    x_stack.pop_back();
    return value;
  }

  std::vector<const Value*> pop_to_mark() {
    if (x_marks.empty()) refuse("no mark on the stack");
    std::vector<const Value*> items(x_stack.begin() + static_cast<std::ptrdiff_t>(x_marks.back()), x_stack.end());
    x_stack.resize(x_marks.back());
    x_marks.pop_back();
    return items;
  }

  void push_tuple_of(std::size_t count) {
    std::vector<const Value*> items(count);
    for (std::size_t i = count; i-- > 0;) items[i] = &pop();
    push(Kind::tuple).items = std::move(items);
  }

  // Numbers and other constants

  void push_long(std::uint64_t count) {
    const std::string_view digits = x_reader.take_text(count);
    if (count > 8) {
      push(Kind::big_integer).text = digits;
      return;
    }
    std::uint64_t value = !digits.empty() && (digits.back() & 0x80) ? ~std::uint64_t{0} : 0;  // sign-extended
    for (std::size_t i = digits.size(); i-- > 0;) value = value << 8 | static_cast<unsigned char>(digits[i]);
    push_integer(static_cast<std::int64_t>(value));
  }

  template <class T>
  T parse_line() {
    const std::string_view line = x_reader.line();
    T value{};
    const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), value);
    if (error != std::errc{} || end != line.data() + line.size()) refuse("expected a number, found ", in_quotes(line));
    return value;
  }

  void push_int_line() {
    ByteReader ahead = x_reader;
    const std::string_view line = ahead.line();
    if (line != "00" && line != "01") return push_integer(parse_line<std::int64_t>());
    x_reader = ahead;  // the way protocol 0 writes a bool
    push_integer(line == "01", Kind::boolean);
  }

  bool push_constant(Op op) {
    switch (op) {
      case Op::none: push(Kind::none); return true;
      case Op::newtrue: push_integer(1, Kind::boolean); return true;
      case Op::newfalse: push_integer(0, Kind::boolean); return true;
      case Op::binint: push_integer(static_cast<std::int32_t>(x_reader.little<std::uint32_t>())); return true;
      case Op::binint1: push_integer(x_reader.little<std::uint8_t>()); return true;
      case Op::binint2: push_integer(x_reader.little<std::uint16_t>()); return true;
      case Op::int_line: push_int_line(); return true;
      case Op::long1: push_long(x_reader.little<std::uint8_t>()); return true;
      case Op::long4: push_long(x_reader.little<std::uint32_t>()); return true;  // a negative count is more than any file has
      case Op::binfloat: push(Kind::real).real = std::bit_cast<double>(x_reader.big64()); return true;
      case Op::float_line: push(Kind::real).real = parse_line<double>(); return true;
      default: return false;
    }
  }

  // Text

  void push_characters(Kind kind, std::uint64_t count) { push(kind).text = x_reader.take_text(count); }

  void push_string_line() {
    const std::string_view line = x_reader.line();
    if (line.size() < 2 || (line.front() != '\'' && line.front() != '"') || line.back() != line.front())
      refuse("expected a quoted string, found ", in_quotes(line));
    if (line.find('\\') != std::string_view::npos) fail(Code::unsupported, x_reader.what(), " at byte ", x_op_at, ": escapes in a protocol 0 string");
    push(Kind::string).text = line.substr(1, line.size() - 2);
  }

  bool push_text(Op op) {
    switch (op) {
      case Op::short_binunicode: push_characters(Kind::string, x_reader.little<std::uint8_t>()); return true;
      case Op::binunicode: push_characters(Kind::string, x_reader.little<std::uint32_t>()); return true;
      case Op::binunicode8: push_characters(Kind::string, x_reader.little<std::uint64_t>()); return true;
      case Op::short_binstring: push_characters(Kind::string, x_reader.little<std::uint8_t>()); return true;  // Python 2's str
      case Op::binstring: push_characters(Kind::string, x_reader.little<std::uint32_t>()); return true;
      case Op::string_line: push_string_line(); return true;
      case Op::short_binbytes: push_characters(Kind::bytes, x_reader.little<std::uint8_t>()); return true;
      case Op::binbytes: push_characters(Kind::bytes, x_reader.little<std::uint32_t>()); return true;
      case Op::binbytes8: push_characters(Kind::bytes, x_reader.little<std::uint64_t>()); return true;
      default: return false;
    }
  }

  // Stack and memo

  void memoize(std::uint64_t index) { x_memo[index] = &top(); }

  void recall(std::uint64_t index) {
    const auto found = x_memo.find(index);
    if (found == x_memo.end()) refuse("nothing was remembered as ", index);
    x_stack.push_back(found->second);
  }

  void discard() {
    if (!x_marks.empty() && x_stack.size() == x_marks.back()) x_marks.pop_back();
    else pop();
  }

  void begin_protocol() {
    const auto version = x_reader.little<std::uint8_t>();
    if (version > 5) fail(Code::unsupported, x_reader.what(), ": pickle protocol ", unsigned{version}, "; known are 0 to 5");
  }

  void begin_frame() {
    const auto count = x_reader.little<std::uint64_t>();  // frames only help a reader to buffer
    if (count > x_reader.left()) refuse("a frame of ", count, " bytes, with ", x_reader.left(), " left");
  }

  bool use_stack_or_memo(Op op) {
    switch (op) {
      case Op::proto: begin_protocol(); return true;
      case Op::frame: begin_frame(); return true;
      case Op::mark: x_marks.push_back(x_stack.size()); return true;
      case Op::pop: discard(); return true;
      case Op::pop_mark: pop_to_mark(); return true;
      case Op::dup: x_stack.push_back(&top()); return true;
      case Op::put_line: memoize(parse_line<std::uint64_t>()); return true;
      case Op::binput: memoize(x_reader.little<std::uint8_t>()); return true;
      case Op::long_binput: memoize(x_reader.little<std::uint32_t>()); return true;
      case Op::memoize: memoize(x_memo.size()); return true;
      case Op::get_line: recall(parse_line<std::uint64_t>()); return true;
      case Op::binget: recall(x_reader.little<std::uint8_t>()); return true;
      case Op::long_binget: recall(x_reader.little<std::uint32_t>()); return true;
      default: return false;
    }
  }

  // Containers

  // Appends to the container on top. What an opaque object would do with items is its secret, so there they are dropped.
  void extend(Kind kind, const std::vector<const Value*>& items) {
    Value& value = top();
    if (kind == Kind::dict && items.size() % 2 != 0) refuse("a dict item without a value");
    if (value.kind == kind) value.items.insert(value.items.end(), items.begin(), items.end());
    else if (value.kind != Kind::call) refuse("expected a ", name_of(kind), " to fill, found a ", name_of(value.kind));
  }

  void set_item() {
    const Value& value = pop();
    const Value& key = pop();
    extend(Kind::dict, {&key, &value});
  }

  void append_item() {
    const Value& value = pop();
    extend(Kind::list, {&value});
  }

  void push_filled(Kind kind) {
    std::vector<const Value*> items = pop_to_mark();
    if (kind == Kind::dict && items.size() % 2 != 0) refuse("a dict item without a value");
    push(kind).items = std::move(items);
  }

  void extend_to_mark(Kind kind) {
    const std::vector<const Value*> items = pop_to_mark();
    extend(kind, items);
  }

  bool fill_container(Op op) {
    switch (op) {
      case Op::empty_list: push(Kind::list); return true;
      case Op::empty_tuple: push(Kind::tuple); return true;
      case Op::empty_dict: push(Kind::dict); return true;
      case Op::empty_set: push(Kind::set); return true;
      case Op::list: push_filled(Kind::list); return true;
      case Op::tuple: push_filled(Kind::tuple); return true;
      case Op::dict: push_filled(Kind::dict); return true;
      case Op::frozenset: push_filled(Kind::set); return true;
      case Op::tuple1: push_tuple_of(1); return true;
      case Op::tuple2: push_tuple_of(2); return true;
      case Op::tuple3: push_tuple_of(3); return true;
      case Op::append: append_item(); return true;
      case Op::setitem: set_item(); return true;
      case Op::appends: extend_to_mark(Kind::list); return true;
      case Op::setitems: extend_to_mark(Kind::dict); return true;
      case Op::additems: extend_to_mark(Kind::set); return true;
      default: return false;
    }
  }

  // Globals and calls

  void push_global(std::string_view module, std::string_view name) {
    if (module.size() > max_name_bytes || name.size() > max_name_bytes) refuse("a class name of ", module.size() + name.size(), " bytes");
    Value& global = push(Kind::global);
    global.text = x_heap.intern(std::string(module) + "." + std::string(name));
    if (!find_container(global.text) && x_seen.insert(global.text).second) x_program.globals.push_back(global.text);
  }

  void push_stack_global() {
    const Value& name = pop();
    const Value& module = pop();
    if (name.kind != Kind::string || module.kind != Kind::string) refuse("expected the names of a module and a class");
    push_global(module.text, name.text);
  }

  // The elements a container class is called with. Python 2 writes an OrderedDict as a list of [key, value] pairs.
  void fill_from_argument(Value& made, const Value& argument) {
    if (argument.kind != Kind::list && argument.kind != Kind::tuple)
      refuse("expected a list to make a ", name_of(made.kind), " of, found a ", name_of(argument.kind));
    // The same list may be passed again and again; honest pickles pass a new one each time, which takes a byte per item at least.
    x_copied += argument.items.size();
    if (x_copied > x_reader.offset()) refuse("the same list makes too many containers");
    if (made.kind != Kind::dict) {
      made.items = argument.items;
      return;
    }
    for (const Value* pair : argument.items) {
      if ((pair->kind != Kind::list && pair->kind != Kind::tuple) || pair->items.size() != 2) refuse("expected pairs to make a dict of");
      made.items.insert(made.items.end(), pair->items.begin(), pair->items.end());
    }
  }

  void call() {
    const Value& arguments = pop();
    const Value& callee = pop();
    if (arguments.kind != Kind::tuple) refuse("expected a tuple of arguments, found a ", name_of(arguments.kind));
    const Container* container = callee.kind == Kind::global ? find_container(callee.text) : nullptr;
    if (!container) {
      push(Kind::call).items = {&callee, &arguments};
      return;
    }
    if (arguments.items.size() > 1) refuse(container->name, " is called with ", arguments.items.size(), " arguments");
    Value& made = push(container->kind);
    if (!arguments.items.empty()) fill_from_argument(made, *arguments.items[0]);
  }

  // Attributes: torch hangs _metadata (versions of modules) on a state dict; those of opaque objects nobody will ask for.
  void build() {
    pop();
    const Kind kind = top().kind;
    if (kind != Kind::dict && kind != Kind::call && kind != Kind::global) refuse("attributes for a ", name_of(kind));
  }

  void push_persistent() {
    const Value& id = pop();
    Value& value = push(Kind::persistent);
    value.items = {&id};
    x_program.persistents.push_back(&value);
  }

  bool make_object(Op op) {
    switch (op) {
      case Op::global: {
        const std::string_view module = x_reader.line();
        push_global(module, x_reader.line());
        return true;
      }
      case Op::stack_global: push_stack_global(); return true;
      case Op::reduce:
      case Op::newobj: call(); return true;
      case Op::build: build(); return true;
      case Op::binpersid: push_persistent(); return true;
      default: return false;
    }
  }

  ByteReader x_reader;
  Heap& x_heap;
  std::size_t x_op_at = 0;
  std::size_t x_copied = 0;  // items of arguments
  std::vector<Value*> x_stack;
  std::vector<std::size_t> x_marks;        // sizes of the stack
  std::map<std::uint64_t, Value*> x_memo;  // the file chooses the indices, and could choose what collides in a hash table
  std::unordered_set<std::string_view> x_seen;
  Program x_program;
};

// The class in a persistent id ("module", class, ...), by which legacy files keep the source text of pickled modules; else nullptr.
const Value* module_class(const Value& value) {
  if (value.kind != Kind::persistent || value.items[0]->kind != Kind::tuple) return nullptr;
  const std::vector<const Value*>& id = value.items[0]->items;
  return id.size() > 1 && id[0]->kind == Kind::string && id[0]->text == "module" ? id[1] : nullptr;
}

}  // namespace

std::string_view name_of(Kind kind) {
  constexpr std::string_view names[] = {"None", "bool",  "int",  "int", "float", "str",  "bytes",
                                        "list", "tuple", "dict", "set", "class", "call", "storage"};
  return names[static_cast<std::size_t>(kind)];
}

const Value* Value::at(std::string_view key) const {
  if (kind != Kind::dict) return nullptr;
  for (std::size_t i = items.size(); i >= 2; i -= 2)
    if (items[i - 2]->kind == Kind::string && items[i - 2]->text == key) return items[i - 1];
  return nullptr;
}

std::string_view Value::python_name() const {
  const Value* value = this;
  // Neither a call nor a persistent id nor a tuple can come to hold itself: what they hold exists before them.
  for (;;) {
    if (value->kind == Kind::call) value = value->items[0];
    else if (const Value* named = module_class(*value)) value = named;
    else return value->kind == Kind::global ? value->text : name_of(value->kind);
  }
}

Value& Heap::make(Kind kind) {
  Value& value = x_values.emplace_back();
  value.kind = kind;
  return value;
}

Program run(std::span<const std::byte> bytes, std::size_t at, const std::string& what, Heap& heap) {
  return Interpreter(bytes, at, what, heap).run();
}

}  // namespace regnet::pickle
