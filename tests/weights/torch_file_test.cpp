#include <regnet/weights/torch_file.hpp>

#include <gtest/gtest.h>

#include "weights/writers.hpp"

namespace regnet {
namespace {

using namespace writers;

Checkpoint read_zip(const std::string& file, const std::string& key = "") {
  const Owned owned(file);
  return read_torch_zip(owned.bytes(), owned.data, key);
}

Checkpoint read_legacy(const std::string& file, const std::string& key = "") {
  const Owned owned(file);
  return read_torch_legacy(owned.bytes(), owned.data, key);
}

Checkpoint zip_of_view(std::span<const std::byte> bytes) { return read_torch_zip(bytes, nullptr); }
Checkpoint legacy_of_view(std::span<const std::byte> bytes) { return read_torch_legacy(bytes, nullptr); }

// A storage "0" of the floats 0 to 5, and tensors of it.
const std::vector<StorageData> six{{"0", 6, floats({0, 1, 2, 3, 4, 5})}};
const std::string float_storage = storage("FloatStorage", "0", 6);
const std::string matrix = tensor(float_storage, 0, {2, 3}, {3, 1});

// Reads the object with storage `six` from a zip archive.
Checkpoint read_object(const std::string& object, const std::string& key = "") { return read_zip(torch_zip(object, six), key); }

// Expects the same refusal of both containers, and that nothing was run.
void expect_refused(Code code, const std::string& words, const std::string& object, const std::vector<StorageData>& storages = six) {
  expect_error(code, words, [&] { read_zip(torch_zip(object, storages)); });
  expect_error(code, words, [&] { read_legacy(torch_legacy(object, storages)); });
  EXPECT_FALSE(std::filesystem::exists("regnet-was-here"));
}

std::vector<float> floats_of(const Checkpoint& checkpoint, const std::string& name) {
  const TensorView* view = checkpoint.tensors.find(name);
  return view ? to_floats(*view) : std::vector<float>{};
}

// What torch writes

TEST(TorchFile, BothContainersHoldTheSameTensors) {
  const std::string object = ordered_dict({{"a", matrix},
                                           {"t", tensor(float_storage, 0, {3, 2}, {1, 3})},
                                           {"last", tensor(float_storage, 5, {}, {})},
                                           {"b", tensor(storage("LongStorage", "1", 1), 0, {}, {})}});
  const std::vector<StorageData> storages{{"1", 1, little(std::int64_t{7})}, six[0]};  // legacy streams say in which order they come
  for (const Checkpoint& checkpoint : {read_zip(torch_zip(object, storages)), read_legacy(torch_legacy(object, storages))}) {
    EXPECT_EQ(checkpoint.tensors.size(), 4u);
    EXPECT_EQ(floats_of(checkpoint, "a"), (std::vector<float>{0, 1, 2, 3, 4, 5}));
    EXPECT_EQ(floats_of(checkpoint, "t"), (std::vector<float>{0, 3, 1, 4, 2, 5}));
    EXPECT_EQ(floats_of(checkpoint, "last"), std::vector<float>{5});
    EXPECT_EQ(floats_of(checkpoint, "b"), std::vector<float>{7});
    EXPECT_EQ(checkpoint.tensors.begin()->name, "a");
    EXPECT_EQ(checkpoint.weights_key, "");
    EXPECT_TRUE(checkpoint.refused_globals.empty());
  }
}

TEST(TorchFile, EveryElementTypeIsRead) {
  const std::vector<std::pair<std::string, std::string>> types{{"DoubleStorage", little(1.0)},
                                                               {"FloatStorage", little(1.0f)},
                                                               {"HalfStorage", little(std::uint16_t{0x3c00})},
                                                               {"BFloat16Storage", little(std::uint16_t{0x3f80})},
                                                               {"LongStorage", little(std::int64_t{1})},
                                                               {"IntStorage", little(1)},
                                                               {"ShortStorage", little(std::int16_t{1})},
                                                               {"CharStorage", "\1"},
                                                               {"ByteStorage", "\1"},
                                                               {"BoolStorage", "\1"}};
  for (const auto& [type, bytes] : types) {
    const std::string object = dict({{"x", tensor(storage(type, "k", 1), 0, {1}, {1})}});
    EXPECT_EQ(floats_of(read_zip(torch_zip(object, {{"k", 1, bytes}})), "x"), std::vector<float>{1}) << type;
    EXPECT_EQ(floats_of(read_legacy(torch_legacy(object, {{"k", 1, bytes}})), "x"), std::vector<float>{1}) << type;
  }
}

TEST(TorchFile, ElementTypesNobodyNeedsAreNamed) {
  for (const char* type : {"ComplexFloatStorage", "QUInt8Storage"}) {
    const std::string bytes(type[0] == 'C' ? 8 : 1, '\0');
    expect_refused(Code::unsupported, std::string("x: elements of type torch.") + type, dict({{"x", tensor(storage(type, "k", 1), 0, {1}, {1})}}),
                   {{"k", 1, bytes}});
  }
  expect_refused(Code::unsupported, "unknown class torch.NewStorage", dict({{"x", tensor(storage("NewStorage", "k", 1), 0, {1}, {1})}}),
                 {{"k", 1, "x"}});
  const std::string id = tuple({str("storage"), global("torch.storage", "UntypedStorage"), str("k"), str("cpu"), integer(2)}) + "Q";
  const std::string v3 = call(global("torch._utils", "_rebuild_tensor_v3"),
                              tuple({id, integer(0), integers({1}), integers({1}), "\x89", ordered_dict({}), global("torch", "uint16")}));
  expect_refused(Code::unsupported, "x: elements of type torch.uint16", dict({{"x", v3}}), {{"k", 2, "xx"}});
}

// Optimizers of half the world keep such tensors beside the weights.
TEST(TorchFile, UnreadableTensorsBesideTheWeightsDoNoHarm) {
  const std::string complex = tensor(storage("ComplexFloatStorage", "c", 1), 0, {1}, {1});
  const std::string object = dict({{"state_dict", dict({{"a", matrix}})}, {"other", dict({{"c", complex}})}});
  const std::vector<StorageData> storages{six[0], {"c", 1, "12345678"}};
  EXPECT_EQ(read_zip(torch_zip(object, storages)).tensors.size(), 1u);
  EXPECT_EQ(read_legacy(torch_legacy(object, storages)).tensors.size(), 1u);
}

TEST(TorchFile, ParametersAreTheirTensors) {
  const std::string with_state =
      call(global("torch._utils", "_rebuild_parameter_with_state"), tuple({matrix, "\x88", ordered_dict({}), dict({{"tag", str("x")}})}));
  const std::string old = call(global("torch._utils", "_rebuild_tensor"), tuple({float_storage, integer(1), integers({2}), integers({1})}));
  const Checkpoint checkpoint = read_object(dict({{"p", parameter(matrix)}, {"s", with_state}, {"o", old}}));
  EXPECT_EQ(floats_of(checkpoint, "p"), (std::vector<float>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(floats_of(checkpoint, "s"), floats_of(checkpoint, "p"));
  EXPECT_EQ(floats_of(checkpoint, "o"), (std::vector<float>{1, 2}));
  expect_refused(Code::bad_format, "p: expected a parameter made of a tensor", dict({{"p", parameter(str("x"))}}), {});
  expect_refused(Code::bad_format, "p: expected a parameter made of a tensor", dict({{"p", parameter(parameter(matrix))}}));
}

TEST(TorchFile, OneTensorInAPlainDictIsEnough) { EXPECT_EQ(read_object(dict({{"a", matrix}})).tensors.size(), 1u); }

TEST(TorchFile, AttributesOfAStateDictAreLeftOut) {
  const Checkpoint checkpoint =
      read_object(ordered_dict({{"a", matrix}}) + dict({{"_metadata", ordered_dict({{"", dict({{"version", integer(1)}})}})}}) + "b");
  EXPECT_EQ(checkpoint.tensors.size(), 1u);
  EXPECT_TRUE(checkpoint.metadata.empty());
}

TEST(TorchFile, Protocol4IsRead) {
  const auto word = [](const std::string& text) { return "\x8c" + std::string(1, static_cast<char>(text.size())) + text + "\x94"; };
  const auto named = [&](const std::string& module, const std::string& name) { return word(module) + word(name) + "\x93"; };
  const std::string id = "(" + word("storage") + named("torch", "FloatStorage") + word("0") + word("cuda:0") + "K\6t\x94Q";
  const std::string rebuilt = named("torch._utils", "_rebuild_tensor_v2") + "(" + id + std::string("K\0K\6\x85\x94K\1\x85\x94\x89", 11) +
                              named("collections", "OrderedDict") + ")R\x94t\x94R\x94";
  const std::string body = "}\x94" + word("a") + rebuilt + "s" + word("n") + "\x8f(K\1K\2\x90s.";
  const std::string pickle = "\x80\x04\x95" + little(static_cast<std::uint64_t>(body.size())) + body;
  const Checkpoint checkpoint = read_zip(zip({{"x/data.pkl", pickle}, {"x/data/0", six[0].bytes}}));
  EXPECT_EQ(floats_of(checkpoint, "a").size(), 6u);
}

// Python 2 writes str as bytes, and an OrderedDict as a list of pairs.
TEST(TorchFile, Python2FilesAreRead) {
  const std::string pair = "](U\1a" + matrix + "e";
  const std::string object = call(global("collections", "OrderedDict"), "(](" + pair + "et");
  EXPECT_EQ(floats_of(read_object(object), "a").size(), 6u);
  EXPECT_EQ(floats_of(read_legacy(torch_legacy(object, six)), "a").size(), 6u);
}

// Torch before 0.4 saved a part of a storage as such.
TEST(TorchFile, PartsOfAStorageInOldLegacyFilesAreRead) {
  const auto part = [](std::int64_t offset, std::int64_t count) {
    const std::string id = tuple({str("storage"), global("torch.cuda", "FloatStorage"), str("0"), str("cuda:0"), integer(6),
                                  tuple({str("9"), integer(offset), integer(count)})}) +
                           "Q";
    return dict({{"a", tensor(id, 1, {2}, {1})}});
  };
  EXPECT_EQ(floats_of(read_legacy(torch_legacy(part(2, 3), six)), "a"), (std::vector<float>{3, 4}));
  expect_error(Code::bad_format, "past its storage of 2", [&] { read_legacy(torch_legacy(part(2, 2), six)); });
  for (const auto& [offset, count] : {std::pair<std::int64_t, std::int64_t>{4, 3}, {-1, 2}, {0, -1}, {INT64_MAX, INT64_MAX}})
    expect_error(Code::bad_format, "leaves its storage of 6", [&, o = offset, c = count] { read_legacy(torch_legacy(part(o, c), six)); });
}

TEST(TorchFile, EverythingThatPlainValuesAreMadeOfIsRead) {
  const std::string values = list({"N",
                                   "\x88",
                                   "\x89",
                                   "I01\n",
                                   "I-5\n",
                                   "J" + little(-7),
                                   "M" + little(std::uint16_t{700}),
                                   "\x8a\x01\xff",
                                   std::string("\x8a\0", 2),
                                   "\x8b" + little(9) + "123456789",
                                   "F1.5\n",
                                   "G" + std::string("\x3f\xf8\0\0\0\0\0\0", 8),
                                   "S'text'\n",
                                   "T" + little(2) + "ab",
                                   "U\2ab",
                                   "B" + little(2) + "ab",
                                   "C\2ab",
                                   "\x8d" + little(std::uint64_t{2}) + "ab",
                                   "\x8e" + little(std::uint64_t{2}) + "ab",
                                   "((K\1K\2tl",
                                   "(K\1K\2d",
                                   "K\1\x85",
                                   "K\1K\2K\3\x87",
                                   "(K\1\x91",
                                   "]K\1a",
                                   "}K\1K\2s",
                                   "Np3\ng3\n0N",
                                   "Nr" + little(99999) + "j" + little(99999) + "0",
                                   "(NN1N",
                                   "N20",
                                   "(0N",
                                   call(global("builtins", "set"), tuple({list({integer(1)})})),
                                   call(global("torch", "Size"), tuple({integers({1, 2})}))});
  EXPECT_EQ(read_object(dict({{"a", matrix}, {"values", values}})).tensors.size(), 1u);
}

// Unwrapping

TEST(TorchFile, WeightsAreFoundUnderEachOfTheUsualKeys) {
  for (const char* key : {"model_state", "state_dict", "model", "model_state_dict", "net"}) {
    const std::string optimizer = dict({{"state", dict({{"0", dict({{"momentum_buffer", matrix}})}})}, {"w", matrix}});
    const Checkpoint checkpoint =
        read_object(dict({{"optimizer_state", optimizer}, {"epoch", integer(99)}, {key, ordered_dict({{"a", matrix}})}, {"cfg", str("yaml")}}));
    EXPECT_EQ(checkpoint.weights_key, key);
    EXPECT_EQ(checkpoint.tensors.size(), 1u);
    EXPECT_TRUE(checkpoint.other_weights_keys.empty());
    EXPECT_EQ(checkpoint.metadata, (std::map<std::string, std::string>{{"epoch", "99"}, {"cfg", "yaml"}}));
  }
}

TEST(TorchFile, WeightsAreFoundOneLevelDeeper) {
  const Checkpoint checkpoint = read_object(dict({{"model", dict({{"epoch", integer(3)}, {"state_dict", dict({{"a", matrix}})}})}}));
  EXPECT_EQ(checkpoint.weights_key, "model.state_dict");
  EXPECT_EQ(checkpoint.metadata.at("model.epoch"), "3");
  const std::string deep = dict({{"model", dict({{"net", dict({{"state_dict", dict({{"a", matrix}})}})}})}});
  expect_refused(Code::unsupported, "no weights", deep);
}

TEST(TorchFile, OtherWeightsAreListedAndCanBeChosen) {
  const std::string object = dict({{"state_dict", dict({{"a", matrix}})},
                                   {"state_dict_ema", dict({{"b", matrix}})},
                                   {"model_ema", dict({{"model", dict({{"c", matrix}})}})},
                                   {"optimizer", dict({{"x", matrix}})}});
  EXPECT_EQ(read_object(object).other_weights_keys, (std::vector<std::string>{"state_dict_ema", "model_ema.model"}));
  const Checkpoint ema = read_object(object, "state_dict_ema");
  EXPECT_EQ(ema.weights_key, "state_dict_ema");
  EXPECT_NE(ema.tensors.find("b"), nullptr);
  EXPECT_EQ(ema.other_weights_keys, (std::vector<std::string>{"state_dict", "model_ema.model"}));
  EXPECT_EQ(read_object(object, "model_ema").weights_key, "model_ema.model");
  EXPECT_EQ(read_object(object, "model_ema.model").weights_key, "model_ema.model");
  expect_error(Code::not_found, "in several entries, of which one must be named: 'state_dict_ema', 'model_ema.model'",
               [&] { read_object(object, "ema"); });
  expect_error(Code::not_found, "no weights under 'emma'; entries with weights: 'state_dict', 'state_dict_ema', 'model_ema.model'",
               [&] { read_object(object, "emma"); });
}

TEST(TorchFile, ANameGoesBeforeAWord) {
  const std::string object = dict({{"state_dict", dict({{"a", matrix}})},
                                   {"state_dict_ema", dict({{"b", matrix}})},
                                   {"ema", dict({{"c", matrix}})},
                                   {"auto", dict({{"d", matrix}})},
                                   {"model", dict({{"e", matrix}})}});
  for (const char* key : {"ema", "auto", "model"}) EXPECT_EQ(read_object(object, key).weights_key, key);
  EXPECT_EQ(read_object(object).weights_key, "state_dict");
  // A word in the sense of its own: no averaged weights, and "auto" no entry.
  expect_error(Code::not_found, "no averaged weights", [] {
    read_object(dict({{"state_dict", dict({{"a", matrix}})}, {"semantic", dict({{"b", matrix}})}, {"ema", dict({{"x", integer(1)}})}}), "ema");
  });
  EXPECT_EQ(read_object(dict({{"net", dict({{"a", matrix}})}, {"model_EMA", dict({{"b", matrix}})}}), "ema").weights_key, "model_EMA");
}

TEST(TorchFile, AClassyTrunkMayStandAlone) {
  const std::string trunk = dict({{"_feature_blocks.conv1.stem.0.weight", matrix}});
  const Checkpoint checkpoint = read_object(dict({{"classy_state_dict", dict({{"base_model", dict({{"model", dict({{"trunk", trunk}})}})}})}}));
  ASSERT_EQ(checkpoint.tensors.size(), 1u);
  EXPECT_EQ(checkpoint.tensors.begin()->name, "trunk._feature_blocks.conv1.stem.0.weight");
}

// pycls takes the averaged weights when they have the lower error, mmengine's hook swaps the two when it saves.
TEST(TorchFile, TheWordsModelAndEmaMeanWhatTheFrameworkMeans) {
  const auto pycls = [](double test_err, double ema_err) {
    const auto real = [](double value) {
      std::string big = little(value);
      return "G" + std::string(big.rbegin(), big.rend());
    };
    return dict(
        {{"model_state", dict({{"a", matrix}})}, {"ema_state", dict({{"b", matrix}})}, {"test_err", real(test_err)}, {"ema_err", real(ema_err)}});
  };
  EXPECT_EQ(read_object(pycls(27.5, 27.5), "auto").weights_key, "model_state");
  EXPECT_EQ(read_object(pycls(27.5, 27.4), "auto").weights_key, "ema_state");
  EXPECT_EQ(read_object(pycls(27.5, 27.4)).weights_reason, "averaged; chosen as pycls does, since ema_err 27.4 is below test_err 27.5");
  EXPECT_EQ(read_object(pycls(27.5, 27.4), "model").weights_key, "model_state");
  EXPECT_EQ(read_object(pycls(27.4, 27.5), "ema").weights_key, "ema_state");
  const Items whole{
      {"model_state", dict({{"a", matrix}})}, {"ema_state", dict({{"b", matrix}})}, {"test_err", integer(28)}, {"ema_err", integer(27)}};
  EXPECT_EQ(read_object(dict(whole)).weights_key, "ema_state");

  const Items both{{"state_dict", dict({{"a", matrix}})}, {"ema_state_dict", dict({{"module.a", matrix}})}};
  Items mmengine = both;
  mmengine.emplace_back("meta", dict({{"mmengine_version", str("0.10.0")}}));
  EXPECT_EQ(read_object(dict(both), "ema").weights_key, "ema_state_dict");
  EXPECT_EQ(read_object(dict(both), "model").weights_key, "state_dict");
  EXPECT_EQ(read_object(dict(mmengine), "ema").weights_key, "state_dict");
  EXPECT_EQ(read_object(dict(mmengine), "model").weights_key, "ema_state_dict");
  EXPECT_EQ(read_object(dict(mmengine)).ema_key, "state_dict");
  EXPECT_EQ(read_object(dict(mmengine)).weights_key, "state_dict");
}

TEST(TorchFile, ChosenKeyWithoutWeightsIsAnError) {
  const std::string object = dict({{"state_dict", dict({{"a", matrix}})}, {"epoch", integer(1)}, {"evil", evil()}});
  expect_error(Code::not_found, "no weights under 'epoch', whose type is int", [&] { read_object(object, "epoch"); });
  expect_error(Code::not_found, "whose type is posix.system", [&] { read_object(object, "evil"); });
  expect_error(Code::not_found, "no weights under 'x.y'", [&] { read_object(object, "x.y"); });
}

TEST(TorchFile, WholeModelsAreRefusedWithAdvice) {
  const std::string model = call(global("torchvision.models.regnet", "RegNet"), ")") + dict({{"training", "\x88"}}) + "b";
  expect_refused(Code::unsupported, "a whole object of class torchvision.models.regnet.RegNet; save its state_dict()", model, {});
  expect_refused(Code::unsupported, "'model': torchvision.models.regnet.RegNet", dict({{"model", model}}), {});
  // Legacy files keep the source of the class beside it.
  const std::string source = tuple({str("module"), global("nets", "Net"), str("nets.py"), str("class Net: ...")}) + "Q";
  expect_refused(Code::unsupported, "a whole object of class nets.Net;", call(source, ")"), {});
  expect_refused(Code::unsupported, "found a list", list({matrix}));
  expect_refused(Code::unsupported, "found a None", "N", {});
}

TEST(TorchFile, PlainEntriesOfAStateDictAreLeftOut) {
  const std::string object = ordered_dict(
      {{"a", matrix}, {"count", integer(3)}, {"none", "N"}, {"text", str("x")}, {"list", list({evil()})}, {"dtype", global("torch", "float32")}});
  EXPECT_EQ(read_object(object).tensors.size(), 1u);
}

TEST(TorchFile, ClassNamesComeFromMeta) {
  const std::string names = tuple({str("tench"), str("goldfish")});
  const std::string weights = dict({{"a", matrix}});
  const std::vector<std::string> expected{"tench", "goldfish"};
  EXPECT_EQ(read_object(dict({{"meta", dict({{"CLASSES", names}, {"mmcls_version", str("0.18.0")}})}, {"state_dict", weights}})).class_names,
            expected);
  const Checkpoint checkpoint = read_object(dict({{"meta", dict({{"dataset_meta", dict({{"classes", list({str("tench"), str("goldfish")})}})},
                                                                 {"lr", "G" + std::string("\x3f\xb9\x99\x99\x99\x99\x99\x9a", 8)}})},
                                                  {"state_dict", weights}}));
  EXPECT_EQ(checkpoint.class_names, expected);
  EXPECT_EQ(checkpoint.metadata.at("meta.lr"), "0.1");
  EXPECT_TRUE(read_object(dict({{"meta", dict({{"CLASSES", tuple({str("x"), integer(1)})}})}, {"state_dict", weights}})).class_names.empty());
  EXPECT_TRUE(read_object(dict({{"meta", dict({{"CLASSES", tuple({str("\xff\xfe")})}})}, {"state_dict", weights}})).class_names.empty());
}

// What nobody is to call

TEST(TorchFile, CallsBesideTheWeightsAreListedAndNeverMade) {
  const std::string scalar = call(global("numpy.core.multiarray", "scalar"), tuple({global("numpy", "dtype"), str("x")}));
  const std::string history = global("mmcv.runner", "HistoryBuffer") + ")\x81" + dict({{"_history", list({})}}) + "b";
  const std::string object =
      dict({{"meta", dict({{"hook", evil()}, {"best", scalar}, {"log", history}, {"again", evil()}})}, {"state_dict", dict({{"a", matrix}})}});
  for (const Checkpoint& checkpoint : {read_zip(torch_zip(object, six)), read_legacy(torch_legacy(object, six))}) {
    EXPECT_EQ(checkpoint.tensors.size(), 1u);
    EXPECT_EQ(checkpoint.refused_globals,
              (std::vector<std::string>{"posix.system", "numpy.core.multiarray.scalar", "numpy.dtype", "mmcv.runner.HistoryBuffer"}));
  }
  EXPECT_FALSE(std::filesystem::exists("regnet-was-here"));
}

TEST(TorchFile, OpaqueValueInPlaceOfATensorIsAnError) {
  expect_refused(Code::bad_format, "'b': expected a tensor, found posix.system", dict({{"state_dict", dict({{"a", matrix}, {"b", evil()}})}}));
  expect_refused(Code::bad_format, "'b': expected a tensor, found os.system", dict({{"a", matrix}, {"b", global("os", "system")}}));
  expect_refused(Code::bad_format, "'b': expected a tensor, found storage", dict({{"a", matrix}, {"b", float_storage}}));
  expect_refused(Code::bad_format, "found torch._utils._rebuild_qtensor",
                 dict({{"a", matrix}, {"b", call(global("torch._utils", "_rebuild_qtensor"), tuple({float_storage}))}}));
  expect_refused(Code::unsupported, "'state_dict': posix.system", dict({{"state_dict", evil()}}), {});
  expect_refused(Code::bad_format, "'b': expected a tensor, found posix.system", dict({{"a", matrix}, {"b", call(evil(), ")")}}));
}

TEST(TorchFile, SequencesInTheNamesOfClassesAreHarmless) {
  const Checkpoint checkpoint = read_object(dict({{"meta", global("\x1b[31m", "x")}, {"state_dict", dict({{"a", matrix}})}}));
  EXPECT_EQ(checkpoint.refused_globals, std::vector<std::string>{"\\x1b[31m.x"});
}

// Bounds

TEST(TorchFile, TensorsStayInsideTheirStorage) {
  constexpr std::int64_t huge = INT64_MAX, big = std::int64_t{1} << 40;
  const auto refused = [](std::int64_t offset, const std::vector<std::int64_t>& shape, const std::vector<std::int64_t>& strides) {
    expect_refused(Code::bad_format, "", dict({{"w", tensor(float_storage, offset, shape, strides)}}));
  };
  refused(0, {2}, {big});
  refused(0, {2}, {-1});
  refused(5, {2}, {-1});
  refused(-1, {1}, {1});
  refused(0, {7}, {1});
  refused(6, {1}, {1});
  refused(huge, {1}, {1});
  refused(huge, {2, 2}, {huge, huge});
  refused(0, {huge}, {1});
  refused(0, {big, big, big}, {1, 1, 1});
  refused(0, {-1}, {1});
  refused(0, {2, 3}, {3});
  refused(0, {std::int64_t{1} << 61}, {8});
  expect_refused(Code::bad_format, "extents",
                 dict({{"w", tensor(float_storage, 0, std::vector<std::int64_t>(17, 1), std::vector<std::int64_t>(17, 1))}}));
}

TEST(TorchFile, ExpandedTensorsAreReadUnlessTheyAreABomb) {
  EXPECT_EQ(floats_of(read_object(dict({{"w", tensor(float_storage, 3, {4}, {0})}})), "w"), std::vector<float>(4, 3));
  const auto expanded = [](std::int64_t count) { return tensor(float_storage, 0, {count}, {0}); };
  expect_refused(Code::unsupported, "'w' of shape [1099511627776]: expanded or shared", dict({{"w", expanded(std::int64_t{1} << 40)}}));
  expect_refused(Code::unsupported, "'w' of shape [4611686018427387904]: expanded or shared", dict({{"w", expanded(std::int64_t{1} << 62)}}));
  // Together they are one.
  Items shared;
  for (int i = 0; i < 9; ++i) shared.emplace_back(std::to_string(i), expanded(1 << 19));
  expect_refused(Code::unsupported, "'8' of shape [524288]: expanded or shared", dict(shared));
  shared.pop_back();
  EXPECT_EQ(read_object(dict(shared)).tensors.size(), 8u);
}

TEST(TorchFile, StoragesAreAsLongAsTheyClaim) {
  const auto with_count = [](std::int64_t count) { return dict({{"w", tensor(storage("FloatStorage", "0", count), 0, {1}, {1})}}); };
  for (const std::int64_t count : {std::int64_t{7}, std::int64_t{5}, std::int64_t{-1}, INT64_MAX, std::int64_t{1} << 58, std::int64_t{1} << 62}) {
    expect_error(Code::bad_format, "", [&] { read_zip(torch_zip(with_count(count), six)); });
    expect_error(Code::bad_format, "", [&] { read_legacy(torch_legacy(with_count(count), six)); });
    std::vector<StorageData> agreeing = six;
    agreeing[0].count = count;
    if (count != 5) expect_error(Code::bad_format, "", [&] { read_legacy(torch_legacy(with_count(count), agreeing)); });
  }
  expect_error(Code::bad_format, "should have 28 bytes, found 24", [&] { read_zip(torch_zip(with_count(7), six)); });
  expect_error(Code::bad_format, "no entry 'archive/data/0'", [&] { read_zip(torch_zip(with_count(6), {})); });
  expect_error(Code::bad_format, "not in the list of storages", [&] { read_legacy(torch_legacy(with_count(6), {})); });
}

TEST(TorchFile, LegacyStoragesFillTheRestOfTheFile) {
  const std::string good = torch_legacy(dict({{"a", matrix}}), six);
  EXPECT_EQ(read_legacy(good).container, Container::torch_legacy);
  expect_error(Code::bad_format, "1 bytes behind the last storage", [&] { read_legacy(good + "x"); });
  expect_error(Code::bad_format, "truncated", [&] { read_legacy(good.substr(0, good.size() - 1)); });
  std::vector<StorageData> more = six;
  more.push_back({"1", 1, "1234"});
  expect_error(Code::bad_format, "nothing in the pickle uses storage '1'", [&] { read_legacy(torch_legacy(dict({{"a", matrix}}), more)); });
  more[1] = six[0];
  expect_error(Code::bad_format, "comes twice", [&] { read_legacy(torch_legacy(dict({{"a", matrix}}), more)); });
}

TEST(TorchFile, OtherPicklesAreNotTakenForLegacyFiles) {
  expect_error(Code::unsupported, "a pickle that torch.save did not write", [] { read_legacy(program(dict({{"a", integer(1)}}))); });
  const std::string magic = program(std::string("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 12));
  expect_error(Code::unsupported, "expected 1001, found 1002", [&] { read_legacy(magic + program(integer(1002))); });
}

// Pickles that are no checkpoints

TEST(TorchFile, UnknownOpcodesAreNamedWithTheirPlace) {
  for (const char op : {'i', 'o', 'P', 'L', 'V', '\x82', '\x92', '\x96', '\x97', '\x98', '\xff', '\0'}) {
    expect_error(Code::bad_format, "data.pkl at byte 3: opcode " + std::to_string(static_cast<unsigned char>(op)),
                 [&] { read_object("N" + std::string(1, op)); });
  }
  expect_error(Code::unsupported, "pickle protocol 6", [] { read_object("\x80\6N"); });
}

TEST(TorchFile, ProgramsThatMisuseTheStackAreRefused) {
  for (const std::string& object : std::vector<std::string>{"",
                                                            "0",
                                                            "2",
                                                            "NN",
                                                            "(",
                                                            "(N",
                                                            "t",
                                                            "(t(",
                                                            "N(2",
                                                            "1",
                                                            "\x85",
                                                            "N\x86",
                                                            "NN\x87",
                                                            "R",
                                                            "NR",
                                                            "NNR",
                                                            "N)R0",
                                                            "b",
                                                            "Nb",
                                                            "NNb",
                                                            "]Nb",
                                                            "s",
                                                            "NNNs",
                                                            "]NNs",
                                                            "]NNs",
                                                            "Na",
                                                            "NNa",
                                                            "}Na",
                                                            "(u",
                                                            "}(Nu",
                                                            "(Nd",
                                                            "N(e",
                                                            "]N(u",
                                                            "N(\x90",
                                                            "\x93",
                                                            "NN\x93",
                                                            "Q",
                                                            "q\1",
                                                            "h\1",
                                                            "j" + little(5),
                                                            "p1\n",
                                                            "g1\n",
                                                            "gx\n",
                                                            "\x94",
                                                            "Ix\n",
                                                            "I\n",
                                                            "I1",
                                                            "F1.5x\n",
                                                            "Sx\n",
                                                            "S'x\n",
                                                            "X" + little(-1) + "x",
                                                            "T" + little(-1) + "x",
                                                            "\x8b" + little(-1) + "x",
                                                            "\x8d" + little(~std::uint64_t{0}) + "x",
                                                            "\x95" + little(~std::uint64_t{0}) + "N",
                                                            "cmodule\n",
                                                            "c" + std::string(300, 'x') + "\nname\n",
                                                            "(N(0t0t",
                                                            call(global("collections", "OrderedDict"), "NN\x86"),
                                                            call(global("collections", "OrderedDict"), "N\x85"),
                                                            call(global("collections", "OrderedDict"), "]Na\x85"),
                                                            call(global("builtins", "set"), "N\x85")}) {
    expect_error(Code::bad_format, "", [&] { read_object(object); });
    expect_error(Code::bad_format, "", [&] { read_object(dict({{"a", matrix}, {"x", object + "N"}}) + "N"); });
  }
}

TEST(TorchFile, DeepValuesNeitherOverflowTheStackNorStay) {
  const std::size_t many = 190'000;
  expect_error(Code::bad_format, "", [&] { read_object(std::string(2 * many, '(')); });
  expect_error(Code::unsupported, "opcodes", [&] { read_object(std::string(3 * many, '(')); });
  const std::string tuples = ")" + std::string(2 * many, '\x85');
  expect_error(Code::unsupported, "no weights", [&] { read_object(tuples); });
  EXPECT_EQ(read_object(dict({{"a", matrix}, {"deep", tuples}})).tensors.size(), 1u);
  std::string lists, calls = global("a", "b");
  for (std::size_t i = 0; i < many; ++i) lists += ']';
  for (std::size_t i = 0; i < many; ++i) calls += ")R";
  expect_error(Code::unsupported, "no weights", [&] { read_object(lists + std::string(many - 1, 'a')); });
  expect_error(Code::unsupported, "a whole object of class a.b", [&] { read_object(calls); });
}

// A terminal would obey an escape sequence in the name of a tensor.
TEST(TorchFile, NamesInMessagesArePlainText) {
  const std::string name = "\x1b[2J\nx";
  const std::string twice = dict({{name, matrix}, {name, matrix}}), broken = dict({{"a", matrix}, {name, evil()}});
  for (const std::string& object : {twice, broken}) expect_error(Code::bad_format, "'\\x1b[2J\\x0ax'", [&] { read_object(object); });
}

TEST(TorchFile, ValuesThatHoldThemselvesNeitherHangNorLeak) {
  const std::string self = "}q\1" + str("model") + "h\1s" + str("state_dict") + "h\1s" + str("meta") + "h\1s";
  expect_error(Code::unsupported, "no weights", [&] { read_object(self); });
  const Checkpoint checkpoint = read_object(self + str("a") + matrix + "s");
  EXPECT_EQ(checkpoint.weights_key, "state_dict");
  EXPECT_EQ(checkpoint.tensors.size(), 1u);
  EXPECT_EQ(read_object("]q\1h\1a0" + dict({{"a", matrix}, {"list", "h\1"}})).tensors.size(), 1u);
}

// Each of these multiplies a small file: by naming one big value many times, by squaring, by a claim.
// Something squared here would run into the test runner's timeout.
TEST(TorchFile, SmallFilesCostLittle) {
  std::string many_dicts = "}q\1(", many_names = "]q\2(", many_keys = "(";
  for (int i = 0; i < 50000; ++i) {
    many_dicts += str("k" + std::to_string(i)) + "h\1";
    many_names += "h\3";
    many_keys += "h\3N";
  }
  const std::string megabyte = str(std::string(1 << 20, 'x')) + "q\3" + "0";
  const Checkpoint checkpoint = read_object(
      megabyte + dict({{"a", matrix}, {"meta", dict({{"CLASSES", many_names + "e"}})}, {"x", "}" + many_keys + "u"}, {"y", many_dicts + "u"}}));
  EXPECT_TRUE(checkpoint.class_names.empty());
  expect_error(Code::unsupported, "no weights", [&] { read_object(many_dicts + "u"); });
  std::string copies = list(std::vector<std::string>(10000, "N")) + "q\1" + "0](";
  for (int i = 0; i < 50000; ++i) copies += (i ? "h\4h\1\x85R" : global("builtins", "set") + "q\4h\1\x85R");
  expect_error(Code::bad_format, "the same list makes too many containers", [&] { read_object(copies + "e"); });
}

// Archives

TEST(TorchFile, ArchiveRootMayBeAnything) {
  for (const char* root : {"archive/", "regnetx_400mf/", "a b/c/", ""}) {
    const Checkpoint checkpoint = read_zip(zip(torch_zip_entries(dict({{"a", matrix}}), six, root)));
    EXPECT_EQ(floats_of(checkpoint, "a").size(), 6u) << root;
    EXPECT_EQ(checkpoint.container, Container::torch_zip);
  }
  std::vector<ZipEntry> two = torch_zip_entries(dict({{"a", matrix}}), six, "a/");
  two.push_back({"b/data.pkl", program("N")});
  expect_error(Code::bad_format, "both 'a/data.pkl' and 'b/data.pkl'", [&] { read_zip(zip(two)); });
}

TEST(TorchFile, DeflatedAndZip64ArchivesAreRead) {
  std::vector<ZipEntry> entries = torch_zip_entries(dict({{"a", matrix}}), six);
  for (const bool deflated : {false, true})
    for (const bool zip64 : {false, true}) {
      for (ZipEntry& entry : entries) entry.deflated = deflated;
      TensorMap tensors = read_zip(zip(entries, zip64)).tensors;  // inflated bytes have to outlive the reader
      EXPECT_EQ(to_floats(*tensors.find("a")), (std::vector<float>{0, 1, 2, 3, 4, 5}));
    }
}

void expect_archive_refused(Code code, const std::string& words, std::size_t at, void (*spoil)(ZipEntry&)) {
  std::vector<ZipEntry> entries = torch_zip_entries(dict({{"a", matrix}}), six);
  spoil(entries.at(at));
  expect_error(code, words, [&] { read_zip(zip(entries)); });
  expect_error(code, words, [&] { read_zip(zip(entries, true)); });
}

TEST(TorchFile, ArchivesOfOtherKindsAreRefusedByName) {
  expect_archive_refused(Code::unsupported, "byte order \"big\"", 1, [](ZipEntry& entry) { entry.content = "big"; });
  expect_archive_refused(Code::bad_format, "found 'middle'", 1, [](ZipEntry& entry) { entry.content = "middle"; });
  expect_archive_refused(Code::unsupported, "TorchScript", 3, [](ZipEntry& entry) { entry.name = "archive/constants.pkl"; });
  expect_archive_refused(Code::unsupported, "TorchScript", 3, [](ZipEntry& entry) { entry.name = "archive/code/__torch__.py"; });
  expect_archive_refused(Code::unsupported, "no entry data.pkl; it holds 'arr_0.npy'", 0, [](ZipEntry& entry) { entry.name = "arr_0.npy"; });
  expect_archive_refused(Code::unsupported, "is encrypted", 2, [](ZipEntry& entry) { entry.flags = 1; });
  expect_archive_refused(Code::unsupported, "method 12", 2, [](ZipEntry& entry) { entry.method = 12; });
  expect_error(Code::unsupported, "it holds nothing", [] { read_zip(zip({})); });
}

TEST(TorchFile, ArchivesThatLieAreRefused) {
  expect_archive_refused(Code::bad_format, "cannot be 25 bytes, packed into 24", 2, [](ZipEntry& entry) { entry.claimed_size = 25; });
  expect_archive_refused(Code::bad_format, "cannot be", 2, [](ZipEntry& entry) { entry.deflated = true, entry.claimed_size = 1 << 30; });
  for (const int size : {1, 23, 25, 1000})
    for (const bool zip64 : {false, true}) {
      std::vector<ZipEntry> entries = torch_zip_entries(dict({{"a", matrix}}), six);
      entries[2].deflated = true;
      entries[2].claimed_size = size;
      expect_error(Code::bad_format, "does not inflate to the " + std::to_string(size) + " bytes", [&] { read_zip(zip(entries, zip64)); });
    }
  expect_archive_refused(Code::bad_format, "checksum", 2, [](ZipEntry& entry) { entry.claimed_crc = 1; });
  expect_archive_refused(Code::bad_format, "two entries are named", 3, [](ZipEntry& entry) { entry.name = "archive/data/0"; });
  expect_archive_refused(Code::bad_format, "not that of 'archive/data/0'", 2, [](ZipEntry& entry) { entry.claimed_offset = 0; });
  expect_archive_refused(Code::bad_format, "expected the local header", 2, [](ZipEntry& entry) { entry.claimed_offset = 1; });
  expect_archive_refused(Code::bad_format, "starts behind the data", 2, [](ZipEntry& entry) { entry.claimed_offset = 0x7fffffff; });
}

// Nothing is inflated before its claim is looked at, neither of one entry nor of many.
TEST(TorchFile, ZipBombsAreRefused) {
  const std::string zeros(std::size_t{40} << 20, '\0');
  std::vector<ZipEntry> entries = torch_zip_entries(dict({{"a", matrix}}), six);
  entries[0] = {"archive/data.pkl", zeros};
  entries[0].deflated = true;
  expect_error(Code::unsupported, "'archive/data.pkl' would inflate from 40", [&] { read_zip(zip(entries)); });

  Items tensors;
  std::vector<StorageData> storages;
  const std::int64_t count = 1 << 20;
  for (const std::string key : {"0", "1", "2", "3", "4"}) {
    tensors.emplace_back("t" + key, tensor(storage("FloatStorage", key, count), 0, {count}, {1}));
    storages.push_back({key, count, std::string(4 * count, '\0')});
  }
  entries = torch_zip_entries(dict(tensors), storages);
  for (ZipEntry& entry : entries) entry.deflated = true;
  expect_error(Code::unsupported, "zip bomb", [&] { read_zip(zip(entries)); });
  for (ZipEntry& entry : entries) entry.deflated = false;
  EXPECT_EQ(read_zip(zip(entries)).tensors.size(), 5u);
}

// torch.serialization.set_crc32_options(False) leaves zeros.
TEST(TorchFile, ChecksumsThatWereNotComputedAreNotMissed) {
  std::vector<ZipEntry> entries = torch_zip_entries(dict({{"a", matrix}}), six);
  for (ZipEntry& entry : entries) entry.claimed_crc = 0;
  EXPECT_EQ(read_zip(zip(entries)).tensors.size(), 1u);
}

// One compressed kernel under many names is how 42 kB become petabytes.
TEST(TorchFile, OverlappingEntriesAreRefused) {
  const std::string inner = zip({{"b", "12345678"}});
  std::vector<ZipEntry> entries{{"a", inner}, {"b", "12345678"}};
  entries[1].claimed_offset = 30 + 1 + 7;  // the local header inside of a's content
  expect_error(Code::bad_format, "'a' and 'b' overlap", [&] { read_zip(zip(entries)); });
}

TEST(TorchFile, BytesBehindTheArchiveAreRefusedAndACommentIsNot) {
  std::string file = torch_zip(dict({{"a", matrix}}), six);
  expect_error(Code::bad_format, "no central directory", [&] { read_zip(file + "x"); });
  file.replace(file.size() - 2, 2, little(std::uint16_t{7}));
  EXPECT_EQ(read_zip(file + "comment").tensors.size(), 1u);
}

// Damage

std::string small_zip(bool deflated, bool zip64) {
  std::vector<ZipEntry> entries =
      torch_zip_entries(dict({{"meta", dict({{"CLASSES", tuple({str("x")})}})}, {"state_dict", ordered_dict({{"a", parameter(matrix)}})}}), six);
  for (ZipEntry& entry : entries) entry.deflated = deflated;
  return zip(entries, zip64);
}

TEST(TorchFile, TruncatedFilesAreRefused) {
  expect_truncations_refused(small_zip(false, false), zip_of_view);
  expect_truncations_refused(small_zip(true, true), zip_of_view);
  expect_truncations_refused(torch_legacy(dict({{"a", matrix}}), six), legacy_of_view);
}

TEST(TorchFile, FlippedBitsNeverCrash) {
  expect_flips_survived(small_zip(false, false), zip_of_view);
  expect_flips_survived(small_zip(true, true), zip_of_view);
  expect_flips_survived(torch_legacy(dict({{"a", matrix}}), six), legacy_of_view);
}

// Flips inside of the pickle, with the checksums put right, so that they reach the interpreter.
TEST(TorchFile, FlippedBitsInThePickleNeverCrash) {
  const std::string object = dict({{"state_dict", ordered_dict({{"a", parameter(matrix)}, {"t", tensor(float_storage, 0, {3, 2}, {1, 3})}})}});
  for (std::size_t at = 0; at < object.size(); ++at)
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = object;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << bit));
      reads_or_refuses(torch_zip(damaged, six), zip_of_view);
    }
}

}  // namespace
}  // namespace regnet
